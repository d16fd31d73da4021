"""A view derived again from the trees of a run: by the run's own rules, or by others; no model runs.

Into the run's own folder it goes by the run's own rules, since the folder has to agree with its
run.json: the decisions and verdicts are those stored in the trees. Other rules go into a new folder:
keys of `prune` prune anew, keys of `labels.majority` let the responses vote anew. It reads the parts
that are committed, one after the other, and of each a few trees at a time.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.config import Rules, read_rules
from pipeline.datasets.card import render_card, render_view_card
from pipeline.datasets.damage import part_traces
from pipeline.datasets.files import explained, publish_table, visible_files, write_card
from pipeline.datasets.folder import FolderError, RunFolder
from pipeline.datasets.views import ABOUT, SCHEMAS, EncodedTrace, decode
from pipeline.errors import UserMistake
from pipeline.export_file import OneFile, check_new_file, file_kind
from pipeline.majority import Majority, withdraw_votes
from pipeline.prune import Pruner
from pipeline.records import Trace, trajectories

VIEWS = [view for view in ABOUT if view != "trees"]
"""What can be derived."""


class ExportError(UserMistake):
    """What was asked for cannot be derived; the message is one line for the user."""


@dataclass(slots=True, kw_only=True)
class Exported:
    """What was written, and where."""

    view: str
    folder: Path
    """Or the one file."""
    source: Path
    is_complete: bool
    """Whether the run was."""
    num_parts: int = 0
    num_changed: int = 0
    """Parts that were not there before, or not with the same bytes."""
    num_rows: int = 0
    num_problems: int = 0
    num_trajectories: int = 0
    """Of all the trees, whether or not the view has a row of them."""


def export_view(
    out: Path,
    view: str,
    output: Path | None = None,
    overrides: Sequence[str] = (),
    advance: Callable[[], None] = lambda: None,
) -> Exported:
    """Derives a view of the run in `out`, there, or in the new folder or file `output`.

    A name that ends in .jsonl or .parquet is one file. `advance` is called for each problem. Raises
    ExportError for a view that is none, FolderError for a folder or file that cannot be used, and
    ConfigError for rules that are none.
    """
    if view not in VIEWS:
        raise ExportError(f"--as {view}: expected one of {', '.join(VIEWS)}")
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
            f"{overrides[0]}: expected --output FOLDER or FILE beside it, since what is in {out} "
            "follows the rules of its run.json"
        )
    if not folder.parts:
        raise FolderError(f"{out}: expected a run with a committed part, found none yet")
    if output is None:
        folder = RunFolder.reopen(out)
    try:
        export = _Export(folder, view, output, rules, overrides, advance)
        if output is None or kind is None:
            return asyncio.run(export.write())
        check_new_file(output, folder.path)
        with OneFile(output, kind, SCHEMAS[view]) as file:
            return asyncio.run(export.write(file))
    finally:
        folder.close()


class _Export:
    """One view on its way into one folder."""

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
        votes = any(key.startswith("labels.majority.") for key in overrides)
        prunes = votes or any(key.startswith("prune.") for key in overrides)
        self._majority = Majority(rules.labels.majority) if votes else None
        self._pruner = Pruner(rules.prune) if prunes else None
        self._exported = Exported(
            view=view,
            folder=output or folder.path,
            source=folder.path,
            is_complete=folder.complete is not None,
        )

    async def write(self, file: OneFile | None = None) -> Exported:
        """Writes all of it: into `file` if there is one, else part by part into a folder."""
        if self._output is not None and file is None:
            self._make_output(self._output)
        try:
            for index in sorted(self._folder.parts):
                await self._write_part(index, file)
        finally:
            if self._majority is not None:
                await self._majority.close()
        if file is None:
            self._write_card()
        return self._exported

    def _make_output(self, output: Path) -> None:
        with explained(output):
            if output.resolve().is_relative_to(self._folder.path.resolve()):
                raise FolderError(f"{output}: expected a folder outside the run's")
            if output.exists() and (visible := visible_files(output)):
                raise FolderError(f"{output}: expected an empty or new folder, found {visible[0]}")
            (output / "data" / self._view).mkdir(parents=True, exist_ok=True)

    async def _write_part(self, index: int, file: OneFile | None) -> None:
        encoded = []
        for trace in part_traces(self._folder, index):
            derived = await self._derive(trace)
            encoded.append(EncodedTrace.of(derived, self._rules.labels, [self._view]))
            self._exported.num_problems += 1
            self._exported.num_trajectories += len(derived.trajectories)
            self._advance()
        table = decode(self._view, encoded)
        if file is not None:
            file.write(table)
            changed = True
        elif self._output is None:
            changed = self._folder.revise(index, self._view, table)
        else:
            with explained(self._output):
                name = self._folder.part_path(self._view, index).name
                changed = publish_table(self._output / "data" / self._view / name, table)
        self._exported.num_parts += 1
        self._exported.num_changed += changed
        self._exported.num_rows += table.num_rows

    async def _derive(self, trace: Trace) -> Trace:
        """The trace by the rules: as it is stored, unless its rules changed."""
        if self._majority is not None:
            withdraw_votes(trace.tree)
            await self._majority.vote(trace.problem, trace.tree)
            trace = replace(trace, trajectories=trajectories(trace.tree))
        if self._pruner is not None:
            trace = replace(trace, decisions=self._pruner.prune(trace.trajectories, trace.tree))
        return trace

    def _write_card(self) -> None:
        if self._output is not None:
            write_card(self._output, self._render_view_card(self._output))
            return
        # The card is the user's to fill in: it is only made anew where it has to be.
        readme = self._folder.path / "README.md"
        with explained(readme):
            known = readme.exists() and f"config_name: {self._view}\n" in readme.read_text()
        if self._exported.num_changed or not known:
            self._folder.write_card(render_card(self._folder))

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
        digest = hashlib.blake2b(state.encode(), digest_size=8).hexdigest()
        return render_view_card(output, self._view, digest, facts)

    def _state(self) -> str:
        return "complete" if self._exported.is_complete else "unfinished"


def describe(exported: Exported) -> str:
    """What to tell the user: what was written, and how to read it."""
    is_file = exported.folder.is_file()
    where = exported.folder if is_file else exported.folder / "data" / exported.view
    unchanged = "" if exported.num_changed else ", which is what was there"
    lines = [
        f"{exported.view:<10} {exported.num_rows} rows in {exported.num_parts} parts, in "
        f"{where}{unchanged}",
        f"{'from':<10} {exported.num_trajectories} trajectories of {exported.num_problems} problems",
    ]
    if not exported.is_complete:
        lines.append(
            f"{'note':<10} the run in {exported.source} is unfinished: its committed parts alone"
        )
    if not exported.num_rows and not is_file:
        lines.append(f"{'note':<10} there are no rows, and load_dataset refuses a view without any")
    return "\n".join([*lines, f"{'load':<10} from datasets import load_dataset; {_load(exported)}"])


def _load(exported: Exported) -> str:
    """Python that reads what was written."""
    path = json.dumps(str(exported.folder), ensure_ascii=False)
    if exported.folder.is_file():
        kind = "parquet" if exported.folder.suffix.lower() == ".parquet" else "json"
        return f'load_dataset("{kind}", data_files={path}, split="train")'
    return f'load_dataset({path}, "{exported.view}", split="train")'
