"""`berry clean`: a run without the problems and responses that the rules over all problems drop.

The result is a run folder of its own, so that everything that reads a run reads it: `berry show`,
`push`, `train`, `export`. Its run.json says by which rules it was made, and how much each dropped.
Problems that a rule drops are in no view; a dropped response stays in `trees` as one that did not
survive. The same run and rules give the same data.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.config import Rules, read_rules
from pipeline.datasets.card import stored_in, update_card
from pipeline.datasets.cleaned import dropped_lines
from pipeline.datasets.folder import FolderError, RunFolder, ids_digest
from pipeline.datasets.reader import RunReader
from pipeline.datasets.staging import STAGING
from pipeline.datasets.views.table import VIEWS
from pipeline.derive.cleaning.find_drops import Found, find_drops
from pipeline.derive.cleaning.part import DROPPED_ROW, CleanedPart, PartTask, clean_part
from pipeline.derive.cleaning.rules import CleanRules
from pipeline.derive.deriving import Derivation
from pipeline.derive.output_folder import check_output
from pipeline.derive.sharing import seen_everywhere, share
from pipeline.errors import UserMistake
from pipeline.files.publishing import RowsFile
from pipeline.files.storage import delete, delete_folder, is_local
from pipeline.hashing import digest_json
from pipeline.hygiene.rules import HygieneConfig

_log = logging.getLogger(__name__)

_OWN_FOLDERS = ("data", "journal", STAGING)
"""Folders of a run folder."""
DROPPED = "dropped.parquet"
"""File with what was dropped, in the new folder."""


class CleanError(UserMistake):
    """The run cannot be cleaned like this; the message is one line for the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """Result of a cleaning."""

    source: RunFolder
    folder: RunFolder
    found: Found
    rules: HygieneConfig


def clean(
    out: Path,
    output: Path,
    rules: CleanRules,
    *,
    views: Sequence[str] = (),
    keeps_dropped: bool = False,
    advance: Callable[[], None] = lambda: None,
    address: str | None = None,
) -> Cleaned:
    """Writes what the rules leave of the run in `out` to the new folder `output`.

    `views` are those to store besides `trees`, by default those that the run stores. `advance` is
    called for each problem that is read and for each that is written. With the `address` of a Ray
    cluster, parts are read and written there. Raises CleanError, FolderError,
    ProblemError for a test set, and RunFailure.
    """
    if address is not None:
        out, output = seen_everywhere(out), seen_everywhere(output)
    source = RunFolder.read(out)
    RunReader(source).require_parts()
    if wrong := [view for view in views if view not in VIEWS]:
        raise CleanError(f"--as {wrong[0]}: expected one of {', '.join(VIEWS)}")
    check_output(output, out)
    stored = tuple(view for view in VIEWS if view in ("trees", *(views or stored_in(source))))
    cleaning = _Cleaning(
        source=source,
        output=output,
        is_new=not (is_local(output) and output.is_dir()),
        rules=rules,
        views=stored,
        keeps_dropped=keeps_dropped,
        advance=advance,
        address=address,
    )
    return asyncio.run(cleaning.run())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cleaning:
    """One cleaning."""

    source: RunFolder
    output: Path
    is_new: bool
    """Whether the output did not exist before."""
    rules: CleanRules
    views: tuple[str, ...]
    """Those to store, with `trees`."""
    keeps_dropped: bool
    advance: Callable[[], None]
    address: str | None

    async def run(self) -> Cleaned:
        # 1. The new folder, locked.
        folder = RunFolder.claim(self.output, _describe(self.source, self.rules, self.views))
        if folder.parts:
            folder.close()
            raise FolderError(f"{self.output}: another command has written to this folder meanwhile")
        try:
            # 2. What to drop.
            derivation, hygiene = _derivation(self.source, self.rules), self.rules.hygiene
            found = await find_drops(self.source, derivation, hygiene, self.advance, self.address)
            dropped = found.drops.problems
            if all(one in dropped for ids in found.parts.values() for one in ids):
                counts = ", ".join(dropped_lines(found.drops.counts()))
                raise CleanError(f"{self.source.path}: every problem is dropped: {counts}")
            folder.change_run(
                digest=digest_json([folder.run["digest"], found.questions_digest]),
                cleaned=[*self.source.run.get("cleaned", ()), _step(self.source, hygiene, found)],
            )
            # 3. What stays.
            await self._write(folder, derivation, found)
            # 4. Its card.
            folder.finish({"problems": folder.counts.problems})
            update_card(folder)
        except BaseException:  # also Ctrl-C: a half folder would look like a run
            folder.close()
            _take_back(self.output, is_new=self.is_new)
            raise
        folder.close()
        return Cleaned(source=self.source, folder=folder, found=found, rules=hygiene)

    async def _write(self, folder: RunFolder, derivation: Derivation, found: Found) -> None:
        """Writes and commits the parts in order."""
        tasks = list(self._tasks(derivation, found))
        with ExitStack() as stack:
            dropped = None
            if self.keeps_dropped:
                dropped = stack.enter_context(RowsFile(self.output / DROPPED, DROPPED_ROW))
            shared = share(clean_part, tasks, self.source, self.address)
            async with aclosing(shared) as parts:
                async for part in parts:
                    if dropped is not None:
                        dropped.add(pa.RecordBatch.from_pylist(part.dropped, DROPPED_ROW))
                    await asyncio.to_thread(_commit, folder, part)
                    for _ in part.ids:
                        self.advance()

    def _tasks(self, derivation: Derivation, found: Found) -> Iterator[PartTask]:
        state, drops = self.source.state_digest(), found.drops
        for part, ids in found.parts.items():
            yield PartTask(
                derivation=derivation,
                run=self.source.path,
                state=state,
                part=part,
                output=self.output,
                views=self.views,
                problems={one: drops.problems[one] for one in ids if one in drops.problems},
                responses={one: drops.responses[one] for one in ids if one in drops.responses},
                keeps_dropped=self.keeps_dropped,
            )


def _take_back(output: Path, *, is_new: bool) -> None:
    """Deletes what a failed cleaning has made, and nothing else."""
    try:
        if is_new:
            delete_folder(output)
            return
        for name in (*_OWN_FOLDERS, "trust"):
            delete_folder(output / name)
        for name in ("run.json", "README.md", ".lock", DROPPED):
            delete(output / name)
    except OSError as e:
        # The first error is the one to report; the next cleaning refuses the folder.
        _log.warning("%s: what was begun there cannot be deleted: %s", output, e)


def _derivation(source: RunFolder, rules: CleanRules) -> Derivation:
    own = read_rules(source.run["config"])
    votes = rules.labels.majority != own.labels.majority
    plain = Rules(labels=rules.labels, prune=rules.prune, views=rules.views)
    return Derivation(rules=plain, votes=votes, prunes=votes or rules.prune != own.prune)


def _describe(source: RunFolder, rules: CleanRules, views: Sequence[str]) -> dict[str, Any]:
    """The content of the new folder's run.json, without what the rules find."""
    given = rules.model_dump(mode="json") | {"prune": rules.prune.dump()}
    hygiene = given.pop("hygiene")
    config = {**source.run["config"], **given}
    stored = [view for view in views if view != "trees"]
    config["dataset"] = {**config.get("dataset", {}), "views": stored}
    return {
        **{key: value for key, value in source.run.items() if key not in ("schema", "checksum")},
        "config": config,
        "digest": digest_json([source.run["digest"], source.state_digest(), hygiene, given, stored]),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _step(source: RunFolder, rules: HygieneConfig, found: Found) -> dict[str, Any]:
    """What run.json says about this cleaning, after earlier ones."""
    return {
        "digest": source.run["digest"],
        "state": source.state_digest(),
        "is_complete": source.complete is not None,
        "problems": source.counts.problems,
        "survivors": source.counts.kept,
        "rules": rules.model_dump(mode="json"),
        "test_sets": dict(found.test_sets),
        "questions_digest": found.questions_digest,
        "dropped": found.drops.counts(),
        "likenesses": found.drops.likenesses(),
    }


def _commit(folder: RunFolder, part: CleanedPart) -> None:
    if part.ids:
        folder.commit(
            part.part,
            part.files,
            num_problems=len(part.ids),
            problems_digest=ids_digest(part.ids),
            counts=part.counts,
        )
