"""`berry check OUT`: compares every file of a run with its checksum, and makes damaged ones again.

Each file's bytes are read and hashed. What can be derived from sound trees is derived; a part whose
trees are damaged is withdrawn from the journal: the next `berry run` explores its problems again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from pipeline.datasets.card import update_card
from pipeline.datasets.damage import damaged_views, describe_damage, open_part, refuse_unreadable
from pipeline.datasets.folder import FolderError, RunFolder, uncommitted
from pipeline.datasets.journal import Journal
from pipeline.datasets.reader import RunReader
from pipeline.datasets.staging import merged_path
from pipeline.datasets.trust.stored import read_trust, trust_files
from pipeline.datasets.views.table import VIEWS
from pipeline.files.locks import has_writer, lock_folder
from pipeline.files.publishing import explained, write_parquet
from pipeline.files.storage import delete, digest_of, exists, num_bytes


@dataclass(slots=True, kw_only=True)
class Checked:
    """What a check has found."""

    num_files: int = 0
    num_bytes: int = 0
    num_without_digest: int = 0
    """Files of earlier versions, whose rows were read instead."""
    damage: list[str] = field(default_factory=list)
    """A line for each damaged file: what is wrong, and what to do."""
    repaired: list[str] = field(default_factory=list)
    """A line for each repair."""
    remaining: list[str] = field(default_factory=list)
    """Lines of `damage` that were not repaired."""
    num_to_explore: int = 0
    """Problems that the next `berry run` explores again."""


def is_run(path: Path) -> bool:
    """Whether a path is a run folder, perhaps without its run.json. Raises FolderError."""
    with explained(path):
        return exists(path / "run.json") or exists(path / "journal")


def check_run(
    path: Path, *, repair: bool = False, advance: Callable[[], None] = lambda: None
) -> Checked:
    """Checks all files of a run, and with `repair` makes damaged ones again.

    `advance` is called for each part. Raises FolderError for a folder that cannot be read, or is in use
    during a repair, and StorageError.
    """
    checked = Checked()
    errors: list[FolderError] = []
    try:
        with explained(path):
            if not exists(path / "run.json"):
                raise FolderError(
                    f"{path / 'run.json'}: is missing; restore it from a copy, or start the run again "
                    "in another folder"
                )
        folder = RunFolder.read(path, errors)
    except FolderError as e:
        checked.damage = checked.remaining = [str(e)]
        return checked
    checked.damage += map(str, errors)
    if repair and errors:
        folder = _repair_journal(path, checked)
    broken = _check_parts(folder, checked, advance)
    _check_entries(folder, checked)
    _check_trust(folder, checked)
    if repair and checked.damage:
        _repair_parts(path, broken, checked)
        left = check_run(path)
        checked.remaining = left.damage
    else:
        checked.remaining = checked.damage
    return checked


def _check_parts(
    folder: RunFolder, checked: Checked, advance: Callable[[], None]
) -> dict[int, dict[str, str]]:
    """Part -> damaged view -> what is wrong."""
    broken = damaged_views(folder)
    for index, part in folder.parts.items():
        wrong = broken.setdefault(index, {})
        for view in part.rows:
            checked.num_files += 1
            checked.num_bytes += part.sizes.get(view, 0)
            if view not in wrong and (why := _look_into(folder, view, index, checked)):
                wrong[view] = why
        for view, why in wrong.items():
            checked.damage.append(describe_damage(folder, view, index, why))
        if not wrong:
            del broken[index]
        advance()
    return broken


def _look_into(folder: RunFolder, view: str, index: int, checked: Checked) -> str | None:
    """What is wrong with a file's content; None if nothing is."""
    expected, path = folder.parts[index].digests.get(view), folder.part_path(view, index)
    if expected is not None:
        staged = merged_path(folder.path, view, index)
        with explained(path):
            is_sound = digest_of(path) == expected or (exists(staged) and digest_of(staged) == expected)
        return None if is_sound else "is damaged: its content has changed"
    checked.num_without_digest += 1
    try:
        with open_part(folder, view, index) as file:
            for _ in file.iter_batches(8):
                pass
    except (OSError, pa.ArrowException, ValueError) as e:
        refuse_unreadable(path, e)
        return "cannot be read to its end"
    return None


def _check_entries(folder: RunFolder, checked: Checked) -> None:
    """Adds a line for each file without a journal entry in a folder to which nobody writes."""
    if has_writer(folder.path) is not False:
        return
    with explained(folder.path):
        for file in uncommitted(folder):
            checked.damage.append(
                f"{file}: has no entry in the journal, so it does not count; repeat `berry run`, which "
                "deletes it and explores its problems again"
            )


def _check_trust(folder: RunFolder, checked: Checked) -> None:
    """Adds a line for each damaged measurement; only a new measurement makes one again."""
    damage: dict[str, FolderError] = {}
    read_trust(folder.path, damage)
    with explained(folder.path):
        sizes = [num_bytes(file) for file in trust_files(folder.path)]
    checked.num_files += len(sizes)
    checked.num_bytes += sum(sizes)
    checked.damage += map(str, damage.values())


def _repair_journal(path: Path, checked: Checked) -> RunFolder:
    """Deletes damaged entries and a damaged complete.json."""
    with explained(path):
        lock = lock_folder(path)
        try:
            complete = path / "journal" / "complete.json"
            if exists(complete):
                delete(complete)
                checked.repaired.append(f"{complete}: deleted; repeat `berry run` to write it again")
            damage: list[FolderError] = []
            journal = Journal(path)
            journal.read(damage)
            if damage:
                journal.withdraw(())
                checked.repaired.append(
                    f"{journal.path}: deleted {len(damage)} damaged entries; repeat `berry run` to "
                    "explore their problems again"
                )
        finally:
            lock.close()
    return RunFolder.read(path)


def _repair_parts(path: Path, broken: dict[int, dict[str, str]], checked: Checked) -> None:
    folder = RunFolder.reopen(path)
    try:
        lost = [index for index, wrong in broken.items() if "trees" in wrong]
        if lost and "cleaned" in folder.run:
            raise FolderError(
                f"{folder.part_path('trees', lost[0])}: is damaged and cannot be made again from this "
                "folder; repeat `berry clean`"
            )
        for index, wrong in broken.items():
            for view in wrong if index not in lost else ():
                _derive_again(folder, view, index)
                checked.repaired.append(f"{folder.part_path(view, index)}: derived again")
        if lost:
            for index in lost:
                checked.num_to_explore += folder.parts[index].num_problems
                checked.repaired.append(
                    f"{folder.part_path('trees', index)}: withdrawn; repeat `berry run` to explore its "
                    f"{folder.parts[index].num_problems} problems again"
                )
            folder.withdraw(lost)
        with explained(path):
            folder.delete_uncommitted()
        update_card(folder)
    finally:
        folder.close()


def _derive_again(folder: RunFolder, view: str, index: int) -> None:
    with explained(folder.path):
        target = folder.staging(index, "repair") / f"{view}.parquet"
        batches = RunReader(folder).derived(view, index)
        written = write_parquet(target, VIEWS[view].schema, batches)
    folder.revise(index, view, written)


def describe(checked: Checked) -> str:
    """The lines for the user."""
    lines = [f"{'damage':<10} {one}" for one in checked.damage]
    lines += [f"{'repaired':<10} {one}" for one in checked.repaired]
    size = f"{checked.num_bytes / 1e6:.1f} MB"
    lines.append(f"{'checked':<10} {checked.num_files} files, {size}")
    if checked.num_without_digest:
        lines.append(
            f"{'note':<10} {checked.num_without_digest} files have no checksum, because an earlier "
            "version of berry wrote them; their rows were read"
        )
    return "\n".join(lines)
