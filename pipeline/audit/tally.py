"""Counts an audit: how many answers of each rule passed, failed, abstained or broke, and the rates.

Errors are left out of the rates: they say nothing about a verifier's judgement. Abstentions stay in: an
answer on which the verifier abstains neither passed nor failed.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pipeline.audit.made import Known, Made, Source
from pipeline.labels.step_labels import Interval, credible_interval
from verifiers import Outcome, Verdict

_MOST_EXAMPLES = 5
_LONGEST = 400
MISTAKES = {Known.RIGHT: Outcome.FAIL, Known.WRONG: Outcome.PASS}
"""The outcome that is a mistake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule for one kind of target, and the outcomes of its answers."""

    kind: str
    known: Known
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How often a known answer was judged wrongly."""

    mistakes: int
    judged: int
    """Answers without an error."""
    abstained: int
    errors: int

    @property
    def value(self) -> float | None:
        """The fraction of mistakes; None without a judged answer."""
        return self.mistakes / self.judged if self.judged else None

    @property
    def interval(self) -> Interval | None:
        """A 95% interval of the fraction, as for step labels. It takes answers as independent; those of
        one problem are not, so it is rather too narrow."""
        return credible_interval(self.mistakes, self.judged, 0.95) if self.judged else None


@dataclass(slots=True, kw_only=True)
class Audit:
    """The result of an audit."""

    verifier: str = ""
    """Name and version."""
    problems: int = 0
    """Problems for which answers were made."""
    seed: int = 0
    outcomes: dict[Rule, Counter[Outcome]] = field(default_factory=dict)
    """In the order of the rules."""
    not_audited: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(kind of target, reason) -> problems without an answer."""
    notes: dict[str, str] = field(default_factory=dict)
    """Kind of target -> why it has no right answers."""
    examples: dict[Known, list[dict[str, Any]]] = field(default_factory=dict)
    """A few mistakes of each kind."""
    errors: Counter[str] = field(default_factory=Counter)
    """Reasons of errors."""

    def add(self, source: Source, made: Made, verdict: Verdict) -> dict[str, Any] | None:
        """Counts a verdict; returns the row of a mistake, else None."""
        kind = source.problem.target.kind
        rule = Rule(kind=kind, known=made.known, name=made.rule)
        self.outcomes.setdefault(rule, Counter())[verdict.outcome] += 1
        self.verifier = f"{verdict.verifier} {verdict.version}"
        if verdict.outcome is Outcome.ERROR:
            self.errors[verdict.reason] += 1
        if verdict.outcome is not MISTAKES[made.known]:
            return None
        row = _row(source, made, verdict)
        examples = self.examples.setdefault(made.known, [])
        of_rule = sum(one["rule"] == made.rule for one in examples)
        # Examples of several rules say more.
        if len(examples) < _MOST_EXAMPLES and of_rule < 2:
            examples.append({**row, "response": _shortened(made.response)})
        return row

    def rate(self, known: Known) -> Rate:
        """The rate over all rules of one kind of answer."""
        total = Counter[Outcome]()
        for rule, outcomes in self.outcomes.items():
            if rule.known is known:
                total.update(outcomes)
        return Rate(
            mistakes=total[MISTAKES[known]],
            judged=total.total() - total[Outcome.ERROR],
            abstained=total[Outcome.ABSTAIN],
            errors=total[Outcome.ERROR],
        )

    @property
    def num_answers(self) -> int:
        """Answers that were made."""
        return sum(outcomes.total() for outcomes in self.outcomes.values())

    @property
    def failed(self) -> str | None:
        """Why the verifier failed on every answer; None if it did not."""
        if not self.errors or self.errors.total() < self.num_answers:
            return None
        return self.errors.most_common(1)[0][0]


def _row(source: Source, made: Made, verdict: Verdict) -> dict[str, Any]:
    target = source.problem.target
    return {
        "problem_id": source.problem.id,
        "kind": target.kind,
        "rule": made.rule,
        "known": made.known.value,
        "response": made.response,
        "target": target.value,
        "outcome": verdict.outcome.value,
        "reason": verdict.reason,
        "extracted": verdict.extracted,
        "verifier": verdict.verifier,
        "version": verdict.version,
    }


def _shortened(text: str) -> str:
    """The end of a long response: there the answer is."""
    return text if len(text) <= _LONGEST else f"...{text[3 - _LONGEST :]}"
