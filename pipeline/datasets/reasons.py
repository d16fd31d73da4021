"""Why verdicts are no trials and why steps are unscored: reasons, with how often each came.

Reasons are free text, so their number is bounded: of each kind the commonest are kept by name, the
rest are counted together. The counts are those of a `Counter` under the keys `reason.KIND.TEXT`.
"""

from collections import Counter
from collections.abc import Iterator

from pipeline.majority import is_vote
from pipeline.records import Trace
from verifiers import Outcome

OTHER = "other reasons"
_PREFIX = "reason."
_COUNTED = (Outcome.ERROR, Outcome.ABSTAIN)
_UNSCORED = "unscored"
_LONGEST = 160
_MOST = 40
"""Texts of one kind that are kept apart."""


def count_reasons(trace: Trace) -> Counter[str]:
    """Reasons of the trace's ERROR and ABSTAIN verdicts, votes aside, and of its unscored steps."""
    counts: Counter[str] = Counter()
    for trajectory in trace.trajectories:
        verdict = trajectory.verdict
        if verdict is not None and verdict.outcome in _COUNTED and not is_vote(verdict):
            counts[_key(verdict.outcome, verdict.reason)] += 1
    for warning in trace.warnings:
        counts[_key(_UNSCORED, warning)] += 1
    return counts


def commonest(counts: Counter[str], kind: str, number: int = 3) -> list[tuple[str, int]]:
    """The commonest reasons of a kind (`error`, `abstain` or `unscored`), the most frequent first."""
    found = Counter(dict(_of_kind(counts, kind)))
    named = [(text, count) for text, count in found.most_common() if text != OTHER]
    return named[:number]


def trim(counts: Counter[str]) -> None:
    """Bounds the number of reasons in place; all other keys stay."""
    for kind in (*_COUNTED, _UNSCORED):
        found = dict(_of_kind(counts, kind))
        if len(found) <= _MOST:
            continue
        kept = [text for text, _ in Counter(found).most_common() if text != OTHER][: _MOST - 1]
        for text in found.keys() - set(kept) - {OTHER}:
            counts[_key(kind, OTHER)] += counts.pop(_key(kind, text))


def without_reasons(counts: Counter[str]) -> dict[str, int]:
    """The plain figures."""
    return {key: count for key, count in counts.items() if not key.startswith(_PREFIX)}


def _key(kind: str, text: str) -> str:
    line = " ".join(text.split())
    return f"{_PREFIX}{kind}.{line if len(line) <= _LONGEST else line[: _LONGEST - 3] + '...'}"


def _of_kind(counts: Counter[str], kind: str) -> Iterator[tuple[str, int]]:
    prefix = f"{_PREFIX}{kind}."
    for key, count in counts.items():
        if key.startswith(prefix):
            yield key.removeprefix(prefix), count
