"""`berry export OUT --as backtracking --output PATH`: writes the chains and their controls.

Waits for the oldest chain under way; at most `_IN_FLIGHT` are. Chains are written in the order of the
run's problems, so that, with an engine that respects seeds, the same export gives the same bytes.
"""

import asyncio
import json
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.config import read_rules
from pipeline.datasets.card import render_view_card
from pipeline.datasets.folder import RunFolder
from pipeline.datasets.reader import RunReader
from pipeline.datasets.views.rules import BacktrackingOptions
from pipeline.derive.backtracking.generator import Generator, started
from pipeline.derive.backtracking.rows import ABOUT, CONTROL, VIEW, chain_row
from pipeline.derive.backtracking.sampling import ChainMaker, Made
from pipeline.derive.backtracking.splices import Splice, find_splices
from pipeline.derive.backtracking.tables import Tables
from pipeline.derive.backtracking.tails import Tails
from pipeline.derive.export import ExportError, with_section
from pipeline.derive.export_file import file_kind
from pipeline.derive.output_folder import start_over
from pipeline.engines import EngineDied
from pipeline.engines.border import BadCompletions
from pipeline.errors import RunFailure
from pipeline.files.publishing import write_card
from pipeline.records import Trace

_IN_FLIGHT = 256


@dataclass(slots=True, kw_only=True)
class Exported:
    """Result of an export."""

    source: Path
    output: Path
    is_complete: bool
    """Whether the run was complete."""
    mode: str
    num_problems: int = 0
    num_splices: int = 0
    num_chains: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    """How attempts ended -> their number."""
    rejection: str | None = None
    """Why the engine refused a request, of the first one."""
    tails: Tails = field(default_factory=Tails)
    can_score: bool = True
    """Whether the engine can score tokens."""

    @property
    def attempts(self) -> str:
        """How attempts ended, for people."""
        ends = ", ".join(f"{number} {end}" for end, number in self.ends.most_common())
        return ends if self.rejection is None else f"{ends}; rejected: {self.rejection}"


def export_backtracking(
    out: Path,
    output: Path | None,
    overrides: Sequence[str] = (),
    other: Path | None = None,
    advance: Callable[[], None] = lambda: None,
) -> Exported:
    """Writes the chains of the run in `out` to a new folder or file.

    `other` is a config whose engine generates them instead of the run's.

    `advance` is called for each problem. Raises ExportError for a run without a chain, FolderError for
    an unusable folder or file, ConfigError, EngineStartError, and RunFailure if the engine dies.
    """
    if output is None:
        raise ExportError(
            f"--as {VIEW}: expected --output FOLDER or FILE with it, because a generator makes its "
            "rows, and the data of a run follows from its trees alone"
        )
    folder, kind = RunFolder.read(out), file_kind(output)
    given = [with_section(VIEW, override) for override in overrides]
    for override in given:
        if not override.startswith(f"views.{VIEW}"):
            raise ExportError(
                f"{override}: expected an option of views.{VIEW}, such as max_detour_steps=1"
            )
    options = read_rules(folder.run["config"], given).views.backtracking
    reader = RunReader(folder)
    reader.require_parts()
    # Before a model is loaded for nothing.
    if not any(find_splices(trace.tree, options) for trace in reader.traces()):
        raise ExportError(
            f"{out}: expected a problem with a right branch and {options.num_detours} wrong after the "
            f"same prefix, further apart than `min_margin`, found none: `{VIEW}` has no rows"
        )
    exported = Exported(
        source=out,
        output=output,
        is_complete=folder.complete is not None,
        mode=options.mode,
    )
    tables = Tables(output, kind, out)
    try:
        asyncio.run(_export(reader, options, other, tables, exported, advance))
    except EngineDied as e:
        raise RunFailure(f"the engine died: {e}; repeat the command") from e
    except BadCompletions as e:
        raise RunFailure(str(e)) from e
    if kind is None:
        write_card(output, _card(folder, exported, given, tables), cure=start_over(output))
    return exported


async def _export(
    reader: RunReader,
    options: BacktrackingOptions,
    other: Path | None,
    tables: Tables,
    exported: Exported,
    advance: Callable[[], None],
) -> None:
    with tables:
        async with started(reader.folder, other) as generator:
            exported.can_score = generator.scorer is not None
            await _Writing(generator, options, tables, exported).write(reader, advance)
        if not exported.num_chains:
            raise ExportError(
                f"{exported.source}: expected a chain that the verifier accepts, got none of "
                f"{exported.num_splices} splices ({exported.attempts}); raise `attempts`, or try "
                "another generator"
            )


class _Writing:
    """Chains under way, in the order in which they are written."""

    def __init__(
        self, generator: Generator, options: BacktrackingOptions, tables: Tables, exported: Exported
    ) -> None:
        self._generator, self._options = generator, options
        self._maker = ChainMaker(generator, options)
        self._tables, self._exported = tables, exported
        self._waiting: deque[tuple[Trace, asyncio.Task[Made]]] = deque()

    async def write(self, reader: RunReader, advance: Callable[[], None]) -> None:
        """Writes the chains of all problems. Raises EngineDied and FolderError."""
        try:
            for trace in reader.traces():
                self._exported.num_problems += 1
                for splice in find_splices(trace.tree, self._options):
                    await self._begin(trace, splice)
                advance()
                await asyncio.sleep(0)  # for Ctrl-C, and the requests under way
            while self._waiting:
                await self._end_oldest()
        finally:
            for _, task in self._waiting:
                task.cancel()
            await asyncio.gather(*(task for _, task in self._waiting), return_exceptions=True)

    async def _begin(self, trace: Trace, splice: Splice) -> None:
        if not self._exported.num_splices:
            self._generator.check_reads(trace.tree)
        self._exported.num_splices += 1
        self._waiting.append((trace, asyncio.create_task(self._maker.make(trace, splice))))
        if len(self._waiting) >= _IN_FLIGHT:
            await self._end_oldest()

    async def _end_oldest(self) -> None:
        trace, task = self._waiting[0]
        made = await task
        self._waiting.popleft()
        self._exported.ends += made.ends
        self._exported.rejection = self._exported.rejection or made.rejection
        if made.chain is None or made.control is None:
            return
        self._exported.num_chains += 1
        self._exported.tails.add(made.chain, made.control)
        for view, chain in ((VIEW, made.chain), (CONTROL, made.control)):
            row = chain_row(trace, chain, train_opening=self._options.train_opening)
            self._tables.add(view, row)


def _card(folder: RunFolder, exported: Exported, given: Sequence[str], tables: Tables) -> str:
    facts = {
        "Run": f"config hash {folder.run['digest']}, "
        f"{'complete' if exported.is_complete else 'unfinished'}",
        "Mode": exported.mode,
        "Splices": exported.num_splices,
        "Chains": exported.num_chains,
        **{
            f"Log-probability of the tail, {name}": mean
            for name, mean in exported.tails.named().items()
        },
        "Other rules than the run's": ", ".join(given) or "none",
        "Licence": (folder.run.get("licenses") or {}).get("dataset") or "missing",
    }
    return render_view_card(exported.output, ABOUT, tables.state, facts)


def describe(exported: Exported) -> str:
    """The lines for the user: what was made, what a splice costs, and how to read it."""
    lines = [
        f"{VIEW:<12} {exported.num_chains} chains of {exported.num_splices} splices in "
        f"{exported.num_problems} problems ({exported.mode}), in {exported.output}",
        f"{'attempts':<12} {exported.attempts}",
    ]
    for name, mean in exported.tails.named().items():
        lines.append(f"{'tail logprob':<12} {name:<25} {mean}")
    if not exported.can_score:
        lines.append(f"{'note':<12} the engine cannot score tokens: no log-probabilities of tails")
    if not exported.is_complete:
        lines.append(f"{'note':<12} the run in {exported.source} is unfinished: only committed parts")
    if file_kind(exported.output) is None:
        path = json.dumps(str(exported.output), ensure_ascii=False)
        load = f'load_dataset({path}, "{VIEW}", split="train")  # or "{CONTROL}"'
        lines.append(f"{'load':<12} from datasets import load_dataset; {load}")
    return "\n".join(lines)


def facts(exported: Exported) -> dict[str, Any]:
    """The same as JSON values."""
    return {
        "view": VIEW,
        "output": str(exported.output),
        "mode": exported.mode,
        "is_complete": exported.is_complete,
        "problems": exported.num_problems,
        "splices": exported.num_splices,
        "rows": exported.num_chains,
        "attempts": dict(exported.ends),
        "tail_logprobs": exported.tails.facts(),
    }
