"""What the rules over all problems drop, and why."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from pipeline.datasets.cleaned import DropRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The text that a dropped one resembles."""

    source: str
    """The test set; `this run` for another problem of the run."""
    id: str
    """The question's or problem's id."""
    text: str | None = None
    """The question; None for another problem of the run."""
    passage: str | None = None
    """The problem's passage that has the question's words."""
    overlap: float | None = None
    """0 to 1."""
    likeness: str | None = None
    """How the problem resembles the question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """A problem or a response that is dropped."""

    rule: DropRule
    problem_id: str
    leaf: int | None = None
    """The response's leaf in `trees`; None for a whole problem."""
    reason: str
    match: Match | None = None


@dataclass(slots=True)
class Drops:
    """All drops, at most one for each problem and response."""

    problems: dict[str, Drop] = field(default_factory=dict)
    """Problem's id -> why it is dropped."""
    responses: dict[str, dict[int, Drop]] = field(default_factory=dict)
    """Problem's id -> leaf -> why the response is dropped."""

    def add(self, drops: Iterable[Drop]) -> None:
        """Adds drops; an earlier one of the same problem or response stays."""
        for drop in drops:
            if drop.leaf is None:
                self.problems.setdefault(drop.problem_id, drop)
            else:
                self.responses.setdefault(drop.problem_id, {}).setdefault(drop.leaf, drop)

    def counts(self) -> dict[str, dict[str, int]]:
        """Rule -> number of `problems` and `responses` that it dropped, in order of the rules."""
        problems = Counter(drop.rule for drop in self.problems.values())
        leaves = Counter(drop.rule for own in self.responses.values() for drop in own.values())
        return {
            rule.value: {"problems": problems[rule], "responses": leaves[rule]}
            for rule in DropRule
            if problems[rule] or leaves[rule]
        }

    def likenesses(self) -> dict[str, int]:
        """Likeness to a test set's question -> contaminated problems."""
        found = (drop.match for drop in self.problems.values() if drop.rule is DropRule.CONTAMINATED)
        return dict(Counter(match.likeness for match in found if match and match.likeness))
