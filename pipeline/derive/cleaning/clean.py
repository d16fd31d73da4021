"""`berry clean`: a run without the problems and responses that the rules over all problems drop.

The result is a run folder of its own, so that everything that reads a run reads it: `berry show`,
`push`, `train`, `export`. Its run.json says by which rules it was made, and how much each dropped.
Problems that a rule drops are in no view; a dropped response stays in `trees` as one that did not
survive. The same run and rules give the same data.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from pipeline.config import ConfigError, Rules, read_rules, read_rules_as
from pipeline.config.messages import explain
from pipeline.datasets.card import stored_in, update_card
from pipeline.datasets.folder import RunFolder, ids_digest
from pipeline.datasets.reader import RunReader
from pipeline.datasets.views.table import VIEWS
from pipeline.derive.cleaning.find_drops import Found, find_drops
from pipeline.derive.cleaning.part import (
    DROPPED_ROW,
    CleanedPart,
    PartTask,
    clean_part,
)
from pipeline.derive.deriving import Derivation
from pipeline.derive.output_folder import check_output, start_over
from pipeline.derive.sharing import seen_everywhere, share
from pipeline.derive.trust import record
from pipeline.errors import UserMistake
from pipeline.files.publishing import RowsFile, explained
from pipeline.files.storage import delete_folder
from pipeline.hashing import digest_json
from pipeline.hygiene.contamination import Likeness
from pipeline.hygiene.drops import DropRule
from pipeline.hygiene.rules import HygieneConfig, TestSet

DROPPED = "dropped.parquet"
"""File with what was dropped, in the new folder."""


class CleanError(UserMistake):
    """The run cannot be cleaned like this; the message is one line for the user."""


class CleanRules(Rules):
    """The rules of `berry clean`: those over all problems, and those of the run, which may change."""

    hygiene: HygieneConfig = HygieneConfig()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """Result of a cleaning."""

    source: Path
    folder: RunFolder
    num_problems: int
    """Problems of the source."""
    num_survivors: int
    """Its survivors."""
    found: Found
    rules: HygieneConfig


def read_clean_rules(
    run: Mapping[str, Any], path: Path | None, against: Sequence[str], overrides: Sequence[str]
) -> CleanRules:
    """The rules for a run, from its run.json: its own, those of a YAML file, paths of test sets, and
    `key=value`, in which a key of `hygiene` needs no section before it. Raises ConfigError."""
    rules = read_rules_as(CleanRules, run["config"], list(map(_with_section, overrides)), path)
    try:
        test_sets = TypeAdapter(tuple[TestSet, ...]).validate_python(list(against))
    except ValidationError as e:
        wanted = Annotated[tuple[TestSet, ...], "--against"]
        raise ConfigError(f"--against {explain(e, wanted, list(against))}") from e
    hygiene = rules.hygiene.model_copy(update={"against": (*rules.hygiene.against, *test_sets)})
    return rules.model_copy(update={"hygiene": hygiene})


def _with_section(override: str) -> str:
    key = override.partition("=")[0].partition(".")[0]
    return f"hygiene.{override}" if key in HygieneConfig.model_fields else override


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
    return asyncio.run(_clean(source, output, rules, stored, keeps_dropped, advance, address))


async def _clean(
    source: RunFolder,
    output: Path,
    rules: CleanRules,
    views: tuple[str, ...],
    keeps_dropped: bool,
    advance: Callable[[], None],
    address: str | None,
) -> Cleaned:
    # 1. What to drop.
    derivation = _derivation(source, rules)
    found = await find_drops(source, derivation, rules.hygiene, advance, address)
    if all(one in found.drops.problems for ids in found.parts.values() for one in ids):
        raise CleanError(f"{source.path}: every problem is dropped: {_summary(found)}")
    # 2. A run folder with what stays.
    folder = RunFolder.claim(output, _describe(source, rules, views, found))
    try:
        tasks = list(_tasks(source, derivation, output, views, found, keeps_dropped))
        with ExitStack() as stack:
            dropped = None
            if keeps_dropped:
                dropped = stack.enter_context(RowsFile(output / DROPPED, DROPPED_ROW))
            await _write(folder, source, tasks, dropped, advance, address)
        # 3. Its card.
        folder.finish({"problems": folder.counts.problems})
        update_card(folder)
    except BaseException:
        folder.close()
        with explained(output, cure=start_over(output)):
            delete_folder(output)
        raise
    folder.close()
    return Cleaned(
        source=source.path,
        folder=folder,
        num_problems=source.counts.problems,
        num_survivors=source.counts.kept,
        found=found,
        rules=rules.hygiene,
    )


async def _write(
    folder: RunFolder,
    source: RunFolder,
    tasks: Sequence[PartTask],
    dropped: RowsFile | None,
    advance: Callable[[], None],
    address: str | None,
) -> None:
    """Writes and commits the parts in order."""
    async with aclosing(share(clean_part, tasks, source, address)) as parts:
        async for part in parts:
            if dropped is not None:
                dropped.add(pa.RecordBatch.from_pylist(part.dropped, DROPPED_ROW))
            await asyncio.to_thread(_commit, folder, part)
            for _ in part.ids:
                advance()


def _derivation(source: RunFolder, rules: CleanRules) -> Derivation:
    own = read_rules(source.run["config"])
    votes = rules.labels.majority != own.labels.majority
    plain = Rules(labels=rules.labels, prune=rules.prune, views=rules.views)
    return Derivation(rules=plain, votes=votes, prunes=votes or rules.prune != own.prune)


def _describe(
    source: RunFolder, rules: CleanRules, views: Sequence[str], found: Found
) -> dict[str, Any]:
    """The content of the new folder's run.json."""
    given = rules.model_dump(mode="json")
    hygiene = given.pop("hygiene")
    config = {**source.run["config"], **given}
    stored = [view for view in views if view != "trees"]
    config["dataset"] = {**config.get("dataset", {}), "views": stored}
    cleaned = {
        "digest": source.run["digest"],
        "state": source.state_digest(),
        "is_complete": source.complete is not None,
        "problems": source.counts.problems,
        "survivors": source.counts.kept,
        "rules": hygiene,
        "test_sets": found.test_sets,
        "dropped": found.drops.counts(),
        "likenesses": found.drops.likenesses(),
    }
    return {
        **{key: value for key, value in source.run.items() if key not in ("schema", "checksum")},
        "config": config,
        "digest": digest_json([cleaned, given, stored]),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "cleaned": cleaned,
    }


def _tasks(
    source: RunFolder,
    derivation: Derivation,
    output: Path,
    views: tuple[str, ...],
    found: Found,
    keeps_dropped: bool,
) -> Iterator[PartTask]:
    state, drops = source.state_digest(), found.drops
    for part, ids in found.parts.items():
        yield PartTask(
            derivation=derivation,
            run=source.path,
            state=state,
            part=part,
            output=output,
            views=views,
            problems={one: drops.problems[one] for one in ids if one in drops.problems},
            responses={one: drops.responses[one] for one in ids if one in drops.responses},
            keeps_dropped=keeps_dropped,
        )


def _commit(folder: RunFolder, part: CleanedPart) -> None:
    if part.ids:
        folder.commit(
            part.part,
            part.files,
            num_problems=len(part.ids),
            problems_digest=ids_digest(part.ids),
            counts=part.counts,
        )


def _summary(found: Found) -> str:
    """The rules and how much each drops, in one line."""
    return ", ".join(
        f"{number} {what} {rule}"
        for rule, numbers in found.drops.counts().items()
        for what, number in numbers.items()
        if number
    )


def record_hygiene(cleaned: Cleaned, *, in_source: bool) -> None:
    """Adds what was found to the trust report of the new run, and if asked of its source.

    Raises FolderError and StorageError.
    """
    found, rules = cleaned.found, cleaned.rules
    counts, likenesses = found.drops.counts(), found.drops.likenesses()
    facts: dict[str, Any] = {}
    if rules.duplicates is not None:
        facts["duplicates"] = {
            "problems": counts.get(DropRule.DUPLICATE_PROBLEM, {}).get("problems", 0),
            "responses": counts.get(DropRule.REPEATED, {}).get("responses", 0),
        }
    if rules.against:
        facts["contamination"] = {
            "against": list(found.test_sets),
            "problems": sum(likenesses.values()),
            "exact": likenesses.get(Likeness.SAME, 0),
            "reworded": likenesses.get(Likeness.REWORDED, 0),
            "numbers_changed": likenesses.get(Likeness.NUMBERS_CHANGED, 0),
        }
    record(cleaned.folder.path, "hygiene", {**facts, "dropped": True})
    if in_source:
        record(cleaned.source, "hygiene", facts)


def describe(cleaned: Cleaned) -> str:
    """The lines for the user."""
    counts, found = cleaned.folder.counts, cleaned.found
    lines = [
        f"{'kept':<10} {counts.problems} of {cleaned.num_problems} problems, {counts.kept} of "
        f"{cleaned.num_survivors} survivors, in {cleaned.folder.path}"
    ]
    lines += [
        f"{'dropped':<10} {number} {what}: {rule.replace('_', ' ')}"
        for rule, numbers in found.drops.counts().items()
        for what, number in numbers.items()
        if number
    ]
    for name, number in found.test_sets.items():
        lines.append(f"{'compared':<10} {number} questions of {name}")
    if found.num_bad_rows:
        lines.append(f"{'note':<10} {found.num_bad_rows} rows of the test sets have no question")
    return "\n".join(lines)


def facts(cleaned: Cleaned) -> dict[str, Any]:
    """The same as JSON values."""
    found, counts = cleaned.found, cleaned.folder.counts
    return {
        "path": str(cleaned.folder.path),
        "problems": {"before": cleaned.num_problems, "after": counts.problems},
        "survivors": {"before": cleaned.num_survivors, "after": counts.kept},
        "dropped": found.drops.counts(),
        "likenesses": found.drops.likenesses(),
        "test_sets": found.test_sets,
        "bad_rows": found.num_bad_rows,
    }
