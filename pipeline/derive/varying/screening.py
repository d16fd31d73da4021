"""Drops candidates that repeat a problem or each other, and questions of test sets."""

from collections.abc import Iterator, Sequence

from pipeline.derive.varying.candidates import Candidate
from pipeline.derive.varying.originals import Original
from pipeline.derive.varying.settings import VarySettings
from pipeline.hygiene.contamination import LeakFinder, Question
from pipeline.hygiene.duplicates import find_duplicates
from pipeline.hygiene.signatures import Compared, Signatures
from pipeline.hygiene.words import plain
from pipeline.problems import BadRow
from pipeline.problems.border import open_source
from pipeline.prune.near_duplicates import normal_form
from verifiers.plugins import Part

Dropped = tuple[Candidate, str]
"""A candidate and the reason."""


def without_duplicates(
    candidates: Sequence[Candidate], originals: Sequence[Original], least: float
) -> tuple[list[Candidate], list[Dropped]]:
    """Those that neither repeat an original nor an earlier candidate, and the others."""
    texts = [one.prompt for one in originals] + [one.prompt for one in candidates]
    repeats = find_duplicates(Signatures.of(map(_compared, texts)), least)
    kept, dropped = list[Candidate](), list[Dropped]()
    for place, one in enumerate(candidates, start=len(originals)):
        if place in repeats:
            dropped.append((one, "duplicate"))
        else:
            kept.append(one)
    return kept, dropped


def without_leaks(
    candidates: Sequence[Candidate],
    originals: Sequence[Original],
    test_sets: Sequence[Part],
    settings: VarySettings,
) -> tuple[list[Candidate], list[Dropped]]:
    """Those that are no question of a test set, and the others. Raises ProblemError."""
    if not test_sets:
        return list(candidates), []
    finder = LeakFinder(_questions(test_sets, settings.seed), settings.contamination)
    for original in originals:
        finder.count(original.prompt, original.answer)
    for candidate in candidates:
        finder.count(candidate.prompt, candidate.answer)
    kept, dropped = list[Candidate](), list[Dropped]()
    for candidate in candidates:
        if finder.leak(candidate.prompt, candidate.answer) is None:
            kept.append(candidate)
        else:
            dropped.append((candidate, "contaminated"))
    return kept, dropped


def _compared(text: str) -> Compared:
    form = normal_form(text)
    return Compared(plain(text), form.words, form.calculation)


def _questions(test_sets: Sequence[Part], seed: int) -> Iterator[Question]:
    for part in test_sets:
        for number, row in enumerate(open_source(part, seed).rows(), 1):
            if not isinstance(row, BadRow):
                yield Question(
                    test_set=row.source,
                    id=row.source_id or f"row {number}",
                    text=row.prompt,
                    answer=row.target.value,
                )
