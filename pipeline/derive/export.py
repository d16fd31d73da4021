"""Derives a view again from the trees of a run, without running a model.

In the run's own folder, the run's own rules apply, because the folder must match its run.json:
decisions and verdicts are those stored in the trees. Other rules need a new folder: keys of `prune`
prune again, keys of `labels.majority` vote again. The export reads the committed parts in order, a few
trees at a time.
"""

import asyncio
import json
import tempfile
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.config import Rules, read_rules
from pipeline.datasets.card import load_arguments, render_view_card, renew_views
from pipeline.datasets.folder import RunFolder
from pipeline.datasets.reader import RunReader
from pipeline.datasets.trust.section import cell, trust_section
from pipeline.datasets.views.rules import ViewOptions
from pipeline.datasets.views.table import VIEWS
from pipeline.derive.deriving import Derivation, PartRows, PartTask, derive_parts, has_rows
from pipeline.derive.export_file import FileKind, OneFile, check_new_file, file_kind
from pipeline.derive.output_folder import make_output, remove_output, start_over
from pipeline.derive.sharing import seen_everywhere
from pipeline.errors import UserMistake
from pipeline.files.publishing import REPEAT, RESUME, explained, write_card
from pipeline.files.storage import is_local, make_folder, move
from pipeline.hashing import digest_text
from pipeline.inspection.selections import Selection, read_selection

DERIVED = [name for name in VIEWS if name != "trees"]
"""Views that can be derived."""
BACKTRACKING = "backtracking"
"""The view that needs a generator; `pipeline.derive.backtracking` makes it."""


class ExportError(UserMistake):
    """The view cannot be derived; the message is one line for the user."""


@dataclass(slots=True, kw_only=True)
class Exported:
    """Result of an export."""

    view: str
    folder: Path
    """The folder, or the single file."""
    source: Path
    is_complete: bool
    """Whether the run was complete."""
    num_parts: int = 0
    num_changed: int = 0
    """Number of parts that are new or have different bytes."""
    num_rows: int = 0
    num_problems: int = 0
    num_trajectories: int = 0
    """Trajectories of all trees, with or without a row in the view."""


def export_view(
    out: Path,
    view: str,
    output: Path | None = None,
    overrides: Sequence[str] = (),
    advance: Callable[[], None] = lambda: None,
    address: str | None = None,
    selection: str | None = None,
) -> Exported:
    """Derives a view of the run in `out`, in place or in the new folder or file `output`.

    A name that ends in .jsonl or .parquet is a single file. `advance` is called for each problem. With
    the `address` of a Ray cluster, the work is done there. Of a saved `selection`, only its problems
    are read. Raises ExportError for an unknown view, or
    one that needs what the run does not have, FolderError for an unusable folder or file, ConfigError
    for invalid rules, and RunFailure if a process dies.
    """
    if view not in DERIVED:
        raise ExportError(f"--as {view}: expected one of {', '.join([*DERIVED, BACKTRACKING])}")
    kind = None if output is None else file_kind(output)
    if address is not None:
        if kind is not None:
            raise ExportError(f"--output {output}: expected a folder with --address, got a file")
        out = seen_everywhere(out)
        output = output and seen_everywhere(output)
    folder = RunFolder.read(out)
    overrides = [with_section(view, override) for override in overrides]
    rules = read_rules(folder.run["config"], overrides)
    if rules.labels.consensus is not None and not folder.run["config"].get("reward_models"):
        raise ExportError(
            "labels.consensus: expected a run whose steps a reward model has scored, got one without "
            "reward_models"
        )
    if overrides and output is None:
        raise ExportError(
            f"{overrides[0]}: expected --output FOLDER or FILE with it, because the data in {out} "
            "follows the rules of its run.json"
        )
    if selection is not None and output is None:
        raise ExportError(
            f"--selection {selection}: expected --output FOLDER or FILE with it, because {out} keeps "
            "the views of all its problems"
        )
    RunReader(folder).require_parts()
    selected = None if selection is None else read_selection(out, selection)
    if output is None:
        folder = RunFolder.reopen(out)
    try:
        export = _Export(folder, view, output, rules, overrides, advance, address, selected)
        if output is None or kind is None:
            return asyncio.run(export.write())
        check_new_file(output, folder.path)
        return asyncio.run(export.write_one(output, kind))
    finally:
        folder.close()


def with_section(view: str, override: str) -> str:
    """`key=value` for an option of the view itself, with the option's section before it."""
    key = override.partition("=")[0].partition(".")[0]
    return f"views.{view}.{override}" if key in ViewOptions().model_dump().get(view, {}) else override


class _Export:
    """An export of one view to one folder or file."""

    def __init__(
        self,
        folder: RunFolder,
        view: str,
        output: Path | None,
        rules: Rules,
        overrides: Sequence[str],
        advance: Callable[[], None],
        address: str | None = None,
        selection: Selection | None = None,
    ) -> None:
        self._folder, self._view, self._output, self._address = folder, view, output, address
        self._selection = selection
        self._rules, self._overrides, self._advance = rules, overrides, advance
        # `labels.majority={...}` sets several keys at once.
        keys = [f"{override.partition('=')[0]}." for override in overrides]
        votes = any(key.startswith("labels.majority.") for key in keys)
        self.derivation = Derivation(
            view=view,
            rules=rules,
            votes=votes,
            prunes=votes or any(key.startswith("prune.") for key in keys),
            problem_ids=None if selection is None else frozenset(selection.problem_ids),
        )
        self._needs = VIEWS[view].needs
        self._is_stored = all(view in folder.parts[index].rows for index in folder.parts)
        self._exported = Exported(
            view=view,
            folder=output or folder.path,
            source=folder.path,
            is_complete=folder.complete is not None,
        )

    async def write(self) -> Exported:
        """Writes the view part by part, to a new folder or to the run's."""
        if self._output is not None:
            is_new = make_output(self._output, self._folder.path, [self._view])
            try:
                await self._write_parts()
                if self._needs and not self._exported.num_rows:
                    raise self._empty()
            except UserMistake:
                remove_output(self._output, is_new=is_new)
                raise
        else:
            if (
                self._needs
                and not self._is_stored
                and not await has_rows(self._folder, self.derivation)
            ):
                raise self._empty()  # before a part is published: it could not be taken back
            await self._write_parts()
        self._write_card()
        return self._exported

    async def _write_parts(self) -> None:
        async with aclosing(self._derive(self._target)) as written:
            async for one in written:
                changed = await asyncio.to_thread(self._publish, one)
                self._count(one, changed=changed)

    async def write_one(self, path: Path, kind: FileKind) -> Exported:
        """Writes the view to a single file."""
        beside = path.parent if is_local(path) else None
        if beside is not None:
            with explained(path):
                make_folder(beside)
        with (
            tempfile.TemporaryDirectory(dir=beside, prefix=f".{path.name}.") as waiting,
            OneFile(path, kind, VIEWS[self._view].schema) as file,
        ):
            parts = self._derive(lambda index: Path(waiting) / f"{index}{kind}", kind)
            async with aclosing(parts) as written:
                async for one in written:
                    await asyncio.to_thread(file.append, one.file.path)
                    self._count(one, changed=True)
            if self._needs and not self._exported.num_rows:
                raise self._empty()
        return self._exported

    def _empty(self) -> ExportError:
        """The error for a view without rows, if it needs what not every run has."""
        return ExportError(
            f"{self._folder.path}: expected {self._needs}, found none: `{self._view}` has no rows"
        )

    def _target(self, index: int) -> Path:
        """Where the rows of a part are written before they are published."""
        if self._output is None:
            return self._folder.staging(index, "export") / f"{self._view}.parquet"
        return self._output / "data" / self._view / f".{self._name(index)}"

    def _name(self, index: int) -> str:
        return self._folder.part_path(self._view, index).name

    def _derive(
        self, target: Callable[[int], Path], kind: FileKind = ".parquet"
    ) -> AsyncGenerator[PartRows, None]:
        state = self._folder.state_digest()
        tasks = [
            PartTask(
                derivation=self.derivation,
                run=self._folder.path,
                state=state,
                part=index,
                target=target(index),
                kind=kind,
                about=self._output or self._folder.path,
                cure=self._cure(),
            )
            for index in self._folder.parts
        ]
        return derive_parts(self._folder, tasks, self._advance, self._address)

    def _cure(self) -> str:
        """Advice for the user if a file cannot be written."""
        if self._output is None:
            return RESUME
        return REPEAT if file_kind(self._output) is not None else start_over(self._output)

    def _publish(self, one: PartRows) -> bool:
        """Gives a part's file its name; returns whether it is new or has other bytes."""
        if self._output is None:
            return self._folder.revise(one.part, self._view, one.file)
        with explained(self._output, cure=start_over(self._output)):
            move(one.file.path, one.file.path.with_name(self._name(one.part)))
        return True

    def _count(self, one: PartRows, *, changed: bool) -> None:
        self._exported.num_parts += 1
        self._exported.num_changed += changed
        self._exported.num_rows += one.file.num_rows
        self._exported.num_problems += one.num_problems
        self._exported.num_trajectories += one.num_trajectories

    def _write_card(self) -> None:
        if self._output is not None:
            card = self._render_view_card(self._output)
            write_card(self._output, card, cure=start_over(self._output))
            return
        renew_views(self._folder, self._view, has_changed=bool(self._exported.num_changed))

    def _render_view_card(self, output: Path) -> str:
        run, exported = self._folder.run, self._exported
        state = f"{self._folder.state_digest()} {self._view} {self._rules.model_dump_json()}"
        if self._selection is not None:
            state += f" {self._selection.model_dump_json()}"
        facts = {
            "Run": f"config hash {run['digest']}, {self._state()}",
            "Problems": exported.num_problems,
            "Rows": exported.num_rows,
            **self._selected(),
            "Other rules than the run's": ", ".join(self._overrides) or "none",
            "Licence": (run.get("licenses") or {}).get("dataset") or "missing",
        }
        views = {self._view: VIEWS[self._view].about}
        return render_view_card(output, views, digest_text(state), facts, trust_section(self._folder))

    def _selected(self) -> dict[str, object]:
        """The selection's row for the card; none without one."""
        if (one := self._selection) is None:
            return {}
        conditions = ", ".join(f"{key}={value}" for key, value in one.query.items()) or "all"
        return {"Selection": cell(f"{one.name}, saved {one.saved}: {conditions}")}

    def _state(self) -> str:
        return "complete" if self._exported.is_complete else "unfinished"


def describe(exported: Exported) -> str:
    """The lines for the user: what was written, and how to read it."""
    is_file = file_kind(exported.folder) is not None
    where = exported.folder if is_file else exported.folder / "data" / exported.view
    unchanged = "" if exported.num_changed else ", unchanged"
    lines = [
        f"{exported.view:<10} {exported.num_rows} rows in {exported.num_parts} parts, in "
        f"{where}{unchanged}",
        f"{'from':<10} {exported.num_trajectories} trajectories of {exported.num_problems} problems",
    ]
    if not exported.is_complete:
        lines.append(
            f"{'note':<10} the run in {exported.source} is unfinished: only its committed parts"
        )
    if not exported.num_rows and not is_file:
        lines.append(f"{'note':<10} the view has no rows, and load_dataset cannot load an empty view")
    return "\n".join([*lines, f"{'load':<10} from datasets import load_dataset; {_load(exported)}"])


def facts(exported: Exported) -> dict[str, Any]:
    """The same as JSON values."""
    return {
        "view": exported.view,
        "output": str(exported.folder),
        "is_complete": exported.is_complete,
        "problems": exported.num_problems,
        "trajectories": exported.num_trajectories,
        "rows": exported.num_rows,
        "changed_parts": exported.num_changed,
    }


def _load(exported: Exported) -> str:
    """Python code that loads the view."""
    path = json.dumps(str(exported.folder), ensure_ascii=False)
    if file_kind(exported.folder) is not None:
        kind = "parquet" if exported.folder.suffix.lower() == ".parquet" else "json"
        return f'load_dataset("{kind}", data_files={path}, split="train")'
    if not is_local(exported.folder):
        return f'load_dataset({load_arguments(exported.folder, exported.view)}, split="train")'
    return f'load_dataset({path}, "{exported.view}", split="train")'
