"""Applies the rules over all problems to a run: what they drop, and why."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from pipeline.datasets.folder import RunFolder
from pipeline.datasets.reader import RunReader
from pipeline.derive.cleaning.survey import Survey, survey
from pipeline.derive.deriving import Derivation
from pipeline.hygiene.contamination import Leak, LeakFinder, Likeness, Question
from pipeline.hygiene.difficulty import Measured, outside_window, unbalanced
from pipeline.hygiene.drops import Drop, DropRule, Drops, Match
from pipeline.hygiene.duplicates import find_duplicates
from pipeline.hygiene.rules import HygieneConfig
from pipeline.hygiene.signatures import Signatures
from pipeline.hygiene.words import Words
from pipeline.problems import BadRow
from pipeline.problems.border import open_source

_OWN = "this run"
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
    test_sets: dict[str, int] = field(default_factory=dict)
    """Test set -> questions that were compared."""
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

    `advance` is called for each problem that is read in full; with an `address`, they are read on that
    Ray cluster. Raises FolderError, ProblemError for a
    test set that cannot be read, and RunFailure if a process dies.
    """
    found, seed = Found(), int(folder.run["seed"])
    for part in folder.parts:
        rows = RunReader(folder).rows("trees", ["problem_id"], part)
        found.parts[part] = [row["problem_id"] for row in rows]
    # 1. Questions of test sets.
    if config.against:
        found.drops.add(_without(config, _contaminated(folder, config, found, seed)))
    # 2. Problems that repeat an earlier one.
    if config.duplicates is not None and config.duplicates.problems:
        found.drops.add(_without(config, _duplicate_problems(folder, config, found.drops)))
    if not _needs_trees(config):
        return found
    surveyed = await survey(folder, derivation, advance, address)
    # 3. Problems that are too hard or too easy.
    if config.difficulty is not None:
        window = outside_window(
            _staying(surveyed, found.drops), config.difficulty, derivation.rules.labels.interval
        )
        found.drops.add(_without(config, window))
    # 4. Responses that repeat one to an earlier problem.
    if config.duplicates is not None and config.duplicates.responses:
        found.drops.add(_without(config, _repeated(surveyed, config, found.drops)))
    # 5. Groups with too many problems.
    if config.balance is not None:
        groups = unbalanced(_staying(surveyed, found.drops), config.balance, seed)
        found.drops.add(_without(config, groups))
    return found


def _needs_trees(config: HygieneConfig) -> bool:
    duplicates = config.duplicates is not None and config.duplicates.responses
    return duplicates or config.difficulty is not None or config.balance is not None


def _without(config: HygieneConfig, drops: Iterator[Drop]) -> Iterator[Drop]:
    kept = set(config.keep)
    return (drop for drop in drops if drop.problem_id not in kept)


def _staying(surveyed: Survey, drops: Drops) -> list[Measured]:
    return [problem for problem in surveyed.problems if problem.problem_id not in drops.problems]


def _contaminated(folder: RunFolder, config: HygieneConfig, found: Found, seed: int) -> Iterator[Drop]:
    questions = list(_questions(config, found, seed))
    reader = RunReader(folder)
    problems = ((row["problem"], row["target_value"]) for row in reader.rows("trees", _COLUMNS))
    finder = LeakFinder(questions, problems, config.contamination)
    for row in reader.rows("trees", _COLUMNS):
        leak = finder.leak(row["problem"], row["target_value"])
        if leak is not None:
            yield _contamination(row, leak)


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


def _questions(config: HygieneConfig, found: Found, seed: int) -> Iterator[Question]:
    for part in config.against:
        for number, problem in enumerate(open_source(part, seed).rows(), 1):
            if isinstance(problem, BadRow):
                found.num_bad_rows += 1
                continue
            found.test_sets[problem.source] = found.test_sets.get(problem.source, 0) + 1
            yield Question(
                test_set=problem.source,
                id=problem.source_id or f"row {number}",
                text=problem.prompt,
                answer=problem.target.value,
            )


def _duplicate_problems(folder: RunFolder, config: HygieneConfig, drops: Drops) -> Iterator[Drop]:
    assert config.duplicates is not None
    ids, words = [], []
    for row in RunReader(folder).rows("trees", _COLUMNS):
        if row["problem_id"] not in drops.problems:
            own = Words(row["problem"])
            ids.append(row["problem_id"])
            words.append((own.kept, own.numbers))
    repeats = find_duplicates(Signatures.of(words), config.duplicates.min_similarity)
    for later, earlier in repeats.items():
        yield Drop(
            rule=DropRule.DUPLICATE_PROBLEM,
            problem_id=ids[later],
            reason=f"repeats problem {ids[earlier]}",
            match=_own_match(ids[earlier]),
        )


def _repeated(surveyed: Survey, config: HygieneConfig, drops: Drops) -> Iterator[Drop]:
    assert config.duplicates is not None
    places = [
        place
        for place, (problem_id, _) in enumerate(surveyed.survivors)
        if problem_id not in drops.problems
    ]
    signatures = surveyed.signatures.take(np.array(places, dtype=np.int64))
    repeats = find_duplicates(signatures, config.duplicates.min_similarity)
    for later, earlier in repeats.items():
        problem_id, leaf = surveyed.survivors[places[later]]
        other, other_leaf = surveyed.survivors[places[earlier]]
        if other != problem_id:
            yield Drop(
                rule=DropRule.REPEATED,
                problem_id=problem_id,
                leaf=leaf,
                reason=f"repeats the response at leaf {other_leaf} to problem {other}",
                match=_own_match(other),
            )


def _own_match(problem_id: str) -> Match:
    return Match(source=_OWN, id=problem_id)
