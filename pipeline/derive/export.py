"""Derives a view again from the trees of a run, without running a model.

In the run's own folder, the run's own rules apply, because the folder must match its run.json:
decisions and verdicts are those stored in the trees. Other rules need a new folder: keys of `prune`
prune again, keys of `labels.majority` vote again. The export reads the committed parts in order, a few
trees at a time.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.config import Rules, read_rules
from pipeline.datasets.card import load_arguments, render_view_card, update_card
from pipeline.datasets.encoded import EncodedTrace
from pipeline.datasets.folder import FolderError, RunFolder
from pipeline.datasets.reader import RunReader
from pipeline.datasets.views.table import VIEWS
from pipeline.derive.export_file import OneFile, check_new_file, file_kind
from pipeline.errors import UserMistake
from pipeline.files.publishing import RowsFile, explained, visible_files, write_card
from pipeline.files.storage import exists, is_inside, is_local, make_folder, move, read_bytes
from pipeline.hashing import digest_text
from pipeline.labels.majority import Majority, withdraw_votes
from pipeline.prune import Pruner
from pipeline.records import Trace, trajectories

DERIVED = [name for name in VIEWS if name != "trees"]
"""Views that can be derived."""


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
) -> Exported:
    """Derives a view of the run in `out`, in place or in the new folder or file `output`.

    A name that ends in .jsonl or .parquet is a single file. `advance` is called for each problem.
    Raises ExportError for an unknown view, FolderError for an unusable folder or file, and ConfigError
    for invalid rules.
    """
    if view not in DERIVED:
        raise ExportError(f"--as {view}: expected one of {', '.join(DERIVED)}")
    kind = None if output is None else file_kind(output)
    folder = RunFolder.read(out)
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
    RunReader(folder).require_parts()
    if output is None:
        folder = RunFolder.reopen(out)
    try:
        export = _Export(folder, view, output, rules, overrides, advance)
        if output is None or kind is None:
            return asyncio.run(export.write())
        check_new_file(output, folder.path)
        with OneFile(output, kind, VIEWS[view].schema) as file:
            return asyncio.run(export.write(file))
    finally:
        folder.close()


class _Export:
    """An export of one view to one folder."""

    def __init__(
        self,
        folder: RunFolder,
        view: str,
        output: Path | None,
        rules: Rules,
        overrides: Sequence[str],
        advance: Callable[[], None],
    ) -> None:
        self._folder, self._view, self._output = folder, view, output
        self._rules, self._overrides, self._advance = rules, overrides, advance
        # `labels.majority={...}` sets several keys at once.
        keys = [f"{override.partition('=')[0]}." for override in overrides]
        votes = any(key.startswith("labels.majority.") for key in keys)
        prunes = votes or any(key.startswith("prune.") for key in keys)
        self._majority = Majority(rules.labels.majority) if votes else None
        self._pruner = Pruner(rules.prune) if prunes else None
        self._exported = Exported(
            view=view,
            folder=output or folder.path,
            source=folder.path,
            is_complete=folder.complete is not None,
        )

    async def write(self, file: OneFile | None = None) -> Exported:
        """Writes the whole view, to `file` if given, else part by part to a folder."""
        if self._output is not None and file is None:
            self._make_output(self._output)
        try:
            for index in self._folder.parts:
                await self._write_part(index, file)
        finally:
            if self._majority is not None:
                await self._majority.close()
        if file is None:
            self._write_card()
        return self._exported

    def _make_output(self, output: Path) -> None:
        with explained(output, cure=_start_over(output)):
            if is_inside(output, self._folder.path):
                raise FolderError(f"{output}: expected a folder outside the run's")
            if visible := visible_files(output):
                raise FolderError(f"{output}: expected an empty or new folder, found {visible[0]}")
            make_folder(output / "data" / self._view)

    async def _write_part(self, index: int, file: OneFile | None) -> None:
        changed = True
        if file is not None:
            await self._derive_part(index, file)
        elif self._output is None:
            path = self._folder.staging(index, "export") / f"{self._view}.parquet"
            with explained(self._folder.path):
                written = await self._write_rows(index, path)
            changed = self._folder.revise(index, self._view, written)
        else:
            name = self._folder.part_path(self._view, index).name
            folder = self._output / "data" / self._view
            with explained(self._output, cure=_start_over(self._output)):
                written = await self._write_rows(index, folder / f".{name}")
                move(written.path, folder / name)
        self._exported.num_parts += 1
        self._exported.num_changed += changed

    async def _write_rows(self, index: int, path: Path) -> RowsFile:
        with RowsFile(path, VIEWS[self._view].schema) as file:
            await self._derive_part(index, file)
        return file

    async def _derive_part(self, index: int, file: OneFile | RowsFile) -> None:
        """Adds the rows of a part to a file, a problem at a time."""
        for trace in RunReader(self._folder).traces(index):
            derived = await self._derive(trace)
            batch = EncodedTrace.of(derived, self._rules, [self._view]).batch(self._view)
            file.add(batch)
            self._exported.num_rows += batch.num_rows
            self._exported.num_problems += 1
            self._exported.num_trajectories += len(derived.trajectories)
            self._advance()

    async def _derive(self, trace: Trace) -> Trace:
        """Applies the rules to the trace; returns it as stored if no rule changed."""
        if self._majority is not None:
            withdraw_votes(trace.tree)
            await self._majority.vote(trace.problem, trace.tree)
            trace = replace(trace, trajectories=trajectories(trace.tree))
        if self._pruner is not None:
            trace = replace(trace, decisions=self._pruner.prune(trace.trajectories, trace.tree))
        return trace

    def _write_card(self) -> None:
        if self._output is not None:
            card = self._render_view_card(self._output)
            write_card(self._output, card, cure=_start_over(self._output))
            return
        # Users fill in the card, so it is only written again if necessary.
        readme = self._folder.path / "README.md"
        with explained(readme):
            text = read_bytes(readme).decode(errors="replace") if exists(readme) else ""
            known = f"config_name: {self._view}\n" in text
        if self._exported.num_changed or not known:
            update_card(self._folder)

    def _render_view_card(self, output: Path) -> str:
        run, exported = self._folder.run, self._exported
        state = f"{self._folder.state_digest()} {self._view} {self._rules.model_dump_json()}"
        facts = {
            "Run": f"config hash {run['digest']}, {self._state()}",
            "Problems": exported.num_problems,
            "Rows": exported.num_rows,
            "Other rules than the run's": ", ".join(self._overrides) or "none",
            "Licences": "(fill in)",
        }
        return render_view_card(output, self._view, digest_text(state), facts)

    def _state(self) -> str:
        return "complete" if self._exported.is_complete else "unfinished"


def _start_over(output: Path) -> str:
    """Advice for an incomplete folder, which the next export would refuse."""
    return f"{output} is incomplete: delete it, then repeat the command"


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


def _load(exported: Exported) -> str:
    """Python code that loads the view."""
    path = json.dumps(str(exported.folder), ensure_ascii=False)
    if file_kind(exported.folder) is not None:
        kind = "parquet" if exported.folder.suffix.lower() == ".parquet" else "json"
        return f'load_dataset("{kind}", data_files={path}, split="train")'
    if not is_local(exported.folder):
        return f'load_dataset({load_arguments(exported.folder, exported.view)}, split="train")'
    return f'load_dataset({path}, "{exported.view}", split="train")'
