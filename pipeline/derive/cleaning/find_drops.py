"""Applies the rules over all problems to a run: what they drop, and why."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from pipeline.config import ConfigError
from pipeline.datasets.cleaned import DropRule
from pipeline.datasets.folder import RunFolder
from pipeline.datasets.reader import RunReader
from pipeline.derive.cleaning.survey import Survey, survey
from pipeline.derive.deriving import Derivation
from pipeline.hashing import LinesDigest
from pipeline.hygiene.contamination import Leak, LeakFinder, Likeness, Question, plain_answer
from pipeline.hygiene.difficulty import Measured, outside_window, unbalanced
from pipeline.hygiene.drops import Drop, Drops, Match
from pipeline.hygiene.duplicates import find_duplicates
from pipeline.hygiene.rules import DuplicateRule, HygieneConfig
from pipeline.hygiene.signatures import Compared, Signatures
from pipeline.hygiene.words import plain
from pipeline.problems import BadRow
from pipeline.problems.border import open_source
from pipeline.prune.near_duplicates import normal_form

_OWN = "this run"
_BATCH = 256
_COLUMNS = ["problem_id", "problem", "target_value"]
_LIKE = {
    Likeness.SAME: "the same question as",
    Likeness.REWORDED: "the question, in other words or among other text, of",
    Likeness.NUMBERS_CHANGED: "the question, with other numbers, of",
}


@dataclass(slots=True, kw_only=True)
class Found:
    """What the rules found."""

    drops: Drops = field(default_factory=Drops)
    parts: dict[int, list[str]] = field(default_factory=dict)
    """Part -> ids of its problems."""
    test_sets: Counter[str] = field(default_factory=Counter)
    """Test set -> questions that were compared."""
    questions_digest: str | None = None
    """Hash of the questions; None without test sets."""
    num_bad_rows: int = 0
    """Rows of test sets that are no questions."""


async def find_drops(
    folder: RunFolder,
    derivation: Derivation,
    config: HygieneConfig,
    advance: Callable[[], None] = lambda: None,
    address: str | None = None,
) -> Found:
    """Applies the rules in the order of `DropRule`, each to what earlier rules left.

    `advance` is called for each problem that is compared or read in full; with an `address`, they are
    read on that Ray cluster. Raises FolderError, ProblemError for a test set that cannot be read,
    ConfigError for a problem to keep that is not there, and RunFailure if a process dies.
    """
    found, kept = Found(), set(config.keep)
    for part in folder.parts:
        rows = RunReader(folder).rows("trees", ["problem_id"], part)
        found.parts[part] = [row["problem_id"] for row in rows]
    if unknown := kept - {one for ids in found.parts.values() for one in ids}:
        raise ConfigError(f"hygiene.keep: expected ids of problems of the run, got {min(unknown)}")

    def apply(drops: Iterable[Drop]) -> None:
        found.drops.add(drop for drop in drops if drop.problem_id not in kept)

    # 1. Questions of test sets.
    if config.against:
        apply([drop async for drop in _contaminated(folder, config, found, advance)])
    # 2. Problems that repeat an earlier one.
    if config.duplicates is not None and config.duplicates.problems:
        apply(await _duplicate_problems(folder, config.duplicates, found.drops))
    if not _needs_trees(config):
        return found
    surveyed = await survey(folder, derivation, advance, address)
    # 3. Problems that are too hard or too easy.
    if config.difficulty is not None:
        mass = derivation.rules.labels.interval
        apply(outside_window(_staying(surveyed, found.drops), config.difficulty, mass))
    # 4. Responses that repeat one to an earlier problem.
    if config.duplicates is not None and config.duplicates.responses:
        apply(_repeated(surveyed, config.duplicates, found.drops))
    # 5. Groups with too many problems.
    if config.balance is not None:
        seed = int(folder.run["seed"])
        apply(unbalanced(_staying(surveyed, found.drops), config.balance, seed))
    return found


def _needs_trees(config: HygieneConfig) -> bool:
    duplicates = config.duplicates is not None and config.duplicates.responses
    return duplicates or config.difficulty is not None or config.balance is not None


def _staying(surveyed: Survey, drops: Drops) -> list[Measured]:
    return [problem for problem in surveyed.problems if problem.problem_id not in drops.problems]


async def _contaminated(
    folder: RunFolder, config: HygieneConfig, found: Found, advance: Callable[[], None]
) -> AsyncGenerator[Drop, None]:
    questions, reader = list(_questions(folder, config, found)), RunReader(folder)
    finder = LeakFinder(questions, config.contamination)
    for row in reader.rows("trees", _COLUMNS):
        finder.count(row["problem"], row["target_value"])
        await asyncio.sleep(0)  # for Ctrl-C
    for row in reader.rows("trees", _COLUMNS):
        leak = finder.leak(row["problem"], row["target_value"])
        if leak is not None:
            yield _contamination(row, leak)
        advance()
        await asyncio.sleep(0)  # for Ctrl-C


def _contamination(row: dict[str, str], leak: Leak) -> Drop:
    question = leak.question
    overlap = "" if leak.likeness is Likeness.SAME else f", overlap {leak.overlap:.2f}"
    return Drop(
        rule=DropRule.CONTAMINATED,
        problem_id=row["problem_id"],
        reason=f"{_LIKE[leak.likeness]} {question.id} of {question.test_set}{overlap}",
        match=Match(
            source=question.test_set,
            id=question.id,
            text=question.text,
            passage=row["problem"][leak.start : leak.end],
            overlap=leak.overlap,
            likeness=leak.likeness,
        ),
    )


def _questions(folder: RunFolder, config: HygieneConfig, found: Found) -> Iterator[Question]:
    digest = LinesDigest()
    for part in config.against:
        name: str | None = None
        for number, problem in enumerate(open_source(part, int(folder.run["seed"])).rows(), 1):
            if isinstance(problem, BadRow):
                found.num_bad_rows += 1
                continue
            name = name or _name(problem.source, found)
            found.test_sets[name] += 1
            digest.add([name, problem.prompt, problem.target.value or ""])
            yield Question(
                test_set=name,
                id=problem.source_id or f"row {number}",
                text=problem.prompt,
                answer=problem.target.value,
            )
    found.questions_digest = digest.digest


def _name(source: str, found: Found) -> str:
    """A name of the test set that no earlier one has."""
    copies = sum(name == source or name.startswith(f"{source} (") for name in found.test_sets)
    return source if not copies else f"{source} ({copies + 1})"


async def _duplicate_problems(folder: RunFolder, rule: DuplicateRule, drops: Drops) -> Iterator[Drop]:
    rows = (
        row
        for row in RunReader(folder).rows("trees", _COLUMNS)
        if row["problem_id"] not in drops.problems
    )
    ids, parts = list[str](), [Signatures.of([])]
    while batch := list(islice(rows, _BATCH)):
        ids += [row["problem_id"] for row in batch]
        parts.append(Signatures.of(_compared(row["problem"], row["target_value"]) for row in batch))
        await asyncio.sleep(0)  # for Ctrl-C
    repeats = find_duplicates(Signatures.joined(parts), rule.min_similarity)
    return (
        Drop(
            rule=DropRule.DUPLICATE_PROBLEM,
            problem_id=ids[later],
            reason=f"repeats problem {ids[earlier]}",
            match=Match(source=_OWN, id=ids[earlier]),
        )
        for later, earlier in repeats.items()
    )


def _compared(problem: str, answer: str | None) -> Compared:
    """Problems with different answers are different, however alike their texts are."""
    form, gold = normal_form(problem), plain_answer(answer) or ""
    return Compared(f"{plain(problem)}\0{gold}", form.words, (*form.calculation, gold))


def _repeated(surveyed: Survey, rule: DuplicateRule, drops: Drops) -> Iterator[Drop]:
    places = [
        place
        for place, one in enumerate(surveyed.survivors)
        if one.problem_id not in drops.problems and one.num_words >= rule.min_words
    ]
    signatures = surveyed.signatures.take(np.array(places, dtype=np.int64))
    for later, earlier in find_duplicates(signatures, rule.min_similarity).items():
        one, other = (surveyed.survivors[places[text]] for text in (later, earlier))
        if one.problem_id != other.problem_id:
            yield Drop(
                rule=DropRule.REPEATED,
                problem_id=one.problem_id,
                leaf=one.leaf,
                reason=f"repeats the response at leaf {other.leaf} to problem {other.problem_id}",
                match=Match(source=_OWN, id=other.problem_id),
            )
