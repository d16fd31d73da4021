"""Counts of one trace, a part or a whole run; counts add up.

Files store them under flat keys: `verdict.pass`, `dropped.duplicate`, `reason.error.TEXT`,
`by_domain.DOMAIN.right`. Reasons, domains and verifiers' names are free text, so their number is
limited: the most common of each kind keep their text, the rest are counted together.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, Self

from pipeline.datasets.tallies.tally import Tally, add_tally, count_row, flat_tally, read_flat
from pipeline.datasets.tallies.verifier_work import verdict_columns
from pipeline.labels.calibration import calibration_counts
from pipeline.labels.majority import is_vote
from pipeline.labels.outcomes import has_gold, sample_outcome
from pipeline.records import Trace
from pipeline.tree import Finish, Tree
from verifiers import Outcome

OTHER = "other reasons"
_LONGEST = 160
_MOST = 40
"""Most texts of one kind that are counted separately."""
_FAMILIES = {
    "status": "statuses",
    "verdict": "verdicts",
    "vote": "votes",
    "verifier": "verifiers",
    "calibration": "calibration",
    "dropped": "dropped",
    "messages": "messages",
    "pass_rate": "pass_rates",
}
"""First part of a flat key -> field."""
_TALLIES = {"by_domain": "problems", "by_verifier": "verdicts"}
"""Field, and first part of a flat key -> column by which the largest rows stay."""
PASS_RATES = ("0%", *(f"{low}-{low + 20}%" for low in range(0, 100, 20)), "100%")
"""Ranges of pass rates; the inner ones are without 0% and 100%."""
_ALWAYS = frozenset(
    "problems problems_failed problems_solved rollouts nodes tokens kept restarts".split()
)
"""Written even if they are 0."""


@dataclass(slots=True, kw_only=True)
class Counts:
    """Counts that add up over traces."""

    problems: int = 0
    problems_failed: int = 0
    """Problems that could not be fully explored."""
    problems_solved: int = 0
    """Problems with a survivor."""
    rollouts: int = 0
    nodes: int = 0
    """Nodes except roots."""
    tokens: int = 0
    """Sampled tokens, without prompts."""
    kept: int = 0
    restarts: int = 0
    """Workers that were replaced."""
    unscored: int = 0
    """Nodes that process reward models left unscored."""
    unscored_outcomes: int = 0
    """Complete responses that outcome reward models left unscored."""
    explored: int = 0
    """Branches that continued despite a score below the threshold."""
    explored_trials: int = 0
    """Explored branches with a known outcome."""
    explored_passes: int = 0
    right: int = 0
    """Right rollouts of problems with a gold answer, by `sample_outcome`."""
    not_right: int = 0
    weighed: int = 0
    """Survivors with a known probability of being right at every step."""
    flawed_thousandths: int = 0
    """Expected number of these survivors with a wrong step, in thousandths."""
    statuses: Counter[str] = field(default_factory=Counter)
    """Status -> trajectories."""
    verdicts: Counter[str] = field(default_factory=Counter)
    """Outcome -> verdicts of verifiers."""
    votes: Counter[str] = field(default_factory=Counter)
    """Outcome -> verdicts of majority votes."""
    verifiers: Counter[str] = field(default_factory=Counter)
    """Name and version of a verifier -> its verdicts."""
    calibration: Counter[str] = field(default_factory=Counter)
    """Pass rates against held-out rollouts, as `labels/calibration.py` counts them."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Stage -> trajectories that pruning dropped there."""
    messages: Counter[str] = field(default_factory=Counter)
    """MessageMatch -> survivors."""
    pass_rates: Counter[str] = field(default_factory=Counter)
    """One of PASS_RATES -> problems with a gold answer whose rollouts are right at this rate."""
    reasons: dict[str, Counter[str]] = field(default_factory=dict)
    """Kind (`failed`, `error`, `abstain` or `unscored`) -> reason -> number of occurrences."""
    by_domain: Tally = field(default_factory=dict)
    """Domain -> `problems`, `right`, `not_right` and `kept`; empty in runs of earlier versions."""
    by_verifier: Tally = field(default_factory=dict)
    """Name and version of a verifier -> its verdicts, errors, abstentions and times, as
    `tallies/verifier_work.py` counts them; empty in runs of earlier versions."""

    @classmethod
    def of(cls, trace: Trace) -> Self:
        """The counts of one trace."""
        counts = cls(
            problems=1,
            problems_failed=int(bool(trace.failures)),
            problems_solved=int(bool(trace.kept)),
            rollouts=len(trace.trajectories),
            nodes=len(trace.tree) - 1,
            tokens=sum(len(node.token_ids) for node in trace.tree.nodes[1:]),
            kept=len(trace.kept),
            unscored=trace.num_unscored or 0,
            unscored_outcomes=trace.num_unscored_outcomes or 0,
        )
        if has_gold(trace):
            outcomes = [sample_outcome(trace.tree, one.leaf) for one in trace.trajectories]
            counts.right, counts.not_right = outcomes.count(True), outcomes.count(False)
            counts.calibration = calibration_counts(trace.tree)
            if known := counts.right + counts.not_right:
                counts.pass_rates[pass_rate_range(counts.right, known)] += 1
        in_domain = {name: getattr(counts, name) for name in ("problems", "right", "not_right", "kept")}
        count_row(counts.by_domain, trace.problem.domain, in_domain)
        counts._count_explored(trace.tree)
        counts._count_trajectories(trace)
        counts._count_decisions(trace)
        return counts

    @classmethod
    def from_dict(cls, flat: Mapping[str, Any]) -> Self:
        """Counts read from a file; ignores keys of other versions."""
        counts = cls()
        names = _plain_names()
        for key, number in flat.items():
            family, _, rest = key.partition(".")
            if key in names:
                setattr(counts, key, int(number))
            elif family in _FAMILIES and rest:
                getattr(counts, _FAMILIES[family])[rest] = int(number)
            elif family == "reason":
                kind, _, text = rest.partition(".")
                counts.reasons.setdefault(kind, Counter())[text] = int(number)
            elif family in _TALLIES and "." in rest:
                read_flat(getattr(counts, family), rest, int(number))
        return counts

    def to_dict(self, *, reasons: bool = True) -> dict[str, int]:
        """The flat form, with or without what is long: reasons and tables."""
        return dict(self._flat(reasons))

    def _flat(self, reasons: bool) -> Iterator[tuple[str, int]]:
        for name in _plain_names():
            if (number := getattr(self, name)) or name in _ALWAYS:
                yield name, number
        for family, name in _FAMILIES.items():
            for key, number in getattr(self, name).items():
                yield f"{family}.{key}", number
        for kind, texts in self.reasons.items() if reasons else ():
            for text, number in texts.items():
                yield f"reason.{kind}.{text}", number
        for name in _TALLIES if reasons else ():
            for key, number in flat_tally(getattr(self, name)):
                yield f"{name}.{key}", number

    def add(self, other: "Counts") -> None:
        """Adds other counts to these, in place."""
        for name in _plain_names():
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in _FAMILIES.values():
            getattr(self, name).update(getattr(other, name))
        _trim(self.verifiers)
        for kind, texts in other.reasons.items():
            found = self.reasons.setdefault(kind, Counter())
            found.update(texts)
            _trim(found)
        for name, size in _TALLIES.items():
            add_tally(getattr(self, name), getattr(other, name), size)

    def __add__(self, other: "Counts") -> "Counts":
        """The sum of both."""
        total = Counts()
        total.add(self)
        total.add(other)
        return total

    def most_common(self, kind: str, number: int = 3) -> list[tuple[str, int]]:
        """The most common reasons of a kind with their counts, most common first."""
        found = self.reasons.get(kind, Counter())
        return [(text, count) for text, count in found.most_common() if text != OTHER][:number]

    @property
    def flawed_fraction(self) -> float | None:
        """Expected fraction of survivors with a wrong step; None if unknown."""
        return self.flawed_thousandths / 1000 / self.weighed if self.weighed else None

    def _count_explored(self, tree: Tree) -> None:
        for node in tree.explored():
            right = _turned_out_right(tree, node)
            self.explored += 1
            self.explored_trials += right is not None
            self.explored_passes += right is True

    def _count_trajectories(self, trace: Trace) -> None:
        for failure in trace.failures:
            self._count_reason("failed", str(failure))
        for trajectory in trace.trajectories:
            self.statuses[trajectory.status] += 1
            verdict = trajectory.verdict
            if verdict is None:
                continue
            if is_vote(verdict):
                self.votes[verdict.outcome] += 1
                continue
            self.verdicts[verdict.outcome] += 1
            verifier = f"{verdict.verifier} {verdict.version}"
            self.verifiers[_shortened(verifier)] += 1
            count_row(self.by_verifier, verifier, verdict_columns(verdict))
            if verdict.outcome in (Outcome.ERROR, Outcome.ABSTAIN):
                self._count_reason(verdict.outcome, verdict.reason)
        for warning in trace.warnings:
            self._count_reason("unscored", warning)

    def _count_decisions(self, trace: Trace) -> None:
        for trajectory in trace.kept:
            if (match := trace.message_matches.get(trajectory.leaf)) is not None:
                self.messages[match] += 1
        for decision in trace.decisions:
            if decision.stage is not None:
                self.dropped[decision.stage] += 1
            elif decision.p_correct is not None:
                self.weighed += 1
                self.flawed_thousandths += round(1000 * (1 - decision.p_correct))

    def _count_reason(self, kind: str, text: str) -> None:
        found = self.reasons.setdefault(str(kind), Counter())
        found[_shortened(" ".join(text.split()))] += 1
        _trim(found)


def _shortened(line: str) -> str:
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."


def pass_rate_range(right: int, known: int) -> str:
    """The range of the pass rate."""
    if right in (0, known):
        return PASS_RATES[-1 if right else 0]
    return PASS_RATES[1 + min(4, 5 * right // known)]


@cache
def _plain_names() -> list[str]:
    """Names of the integer fields."""
    return [one.name for one in fields(Counts) if one.type in (int, "int")]


def _trim(found: Counter[str]) -> None:
    """Limits the number of reasons in place and keeps the total."""
    if len(found) <= _MOST:
        return
    kept = [text for text, _ in found.most_common() if text != OTHER][: _MOST - 1]
    for text in found.keys() - set(kept) - {OTHER}:
        found[OTHER] += found.pop(text)


def _turned_out_right(tree: Tree, node: int) -> bool | None:
    """Whether the rollout that continued at this node passed, or for a paused rollout, whether any of
    its continuations did; None if unknown."""
    leaf = tree.leaf_of(node)
    if tree.nodes[leaf].finish is not Finish.STEP:
        return tree.passed(leaf)
    stats = tree.stats[node]
    return stats.passes > 0 if stats.trials else None
