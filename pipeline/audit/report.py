"""An audit as a table for the terminal and as JSON."""

from typing import Any

from pipeline.audit.made import Known
from pipeline.audit.tally import Audit, Rate
from pipeline.datasets.trust.section import percent
from verifiers import Outcome

_OUTCOMES = {
    Outcome.PASS: "passed",
    Outcome.FAIL: "failed",
    Outcome.ABSTAIN: "abstained",
    Outcome.ERROR: "errors",
}
_TITLES = {Known.WRONG: "wrong answers that passed", Known.RIGHT: "right answers that failed"}


def describe(audited: Audit) -> str:
    """A table of rules, the rates, what was not audited, and examples of mistakes."""
    lines = [
        f"{'judged by':<10} {audited.verifier}",
        f"{'answers':<10} {audited.num_answers} for {audited.problems} problems (seed {audited.seed})",
        "",
        f"{'known':<6} {'kind':<14} {'rule':<26} {'made':>6}"
        + "".join(f"{name:>10}" for name in _OUTCOMES.values()),
    ]
    for rule, outcomes in _in_order(audited):
        counts = "".join(f"{outcomes[one]:>10}" for one in _OUTCOMES)
        lines.append(
            f"{rule.known.value:<6} {rule.kind:<14} {rule.name:<26} {outcomes.total():>6}{counts}"
        )
    lines.append("")
    for known, title in _TITLES.items():
        lines.append(f"{title:<26} {_rate(audited.rate(known))}")
    lines += [f"{'note':<10} {kind}: {why}" for kind, why in audited.notes.items()]
    for (kind, why), number in audited.not_audited.items():
        lines.append(f"{'note':<10} {kind}: {number} problems not audited: {why}")
    for known in _TITLES:
        for one in audited.examples.get(known, []):
            said = " ".join(one["response"].split())[-100:]
            verb = "passed" if known is Known.WRONG else "failed"
            lines.append(
                f"{'mistake':<10} {verb} though {known.value} by {one['rule']}: target "
                f"{str(one['target'])[:60]!r}, response {said!r} ({one['reason']}; problem "
                f"{one['problem_id']})"
            )
    return "\n".join(lines)


def _in_order(audited: Audit) -> list[Any]:
    """Right answers first, then by kind; rules in the order in which they first made an answer."""
    return sorted(audited.outcomes.items(), key=lambda one: (one[0].known.value, one[0].kind))


def _rate(rate: Rate) -> str:
    interval = rate.interval
    if rate.value is None or interval is None:
        return "unknown: none was judged"
    unclear = f"{rate.abstained} abstained" + (f", {rate.errors} errors" if rate.errors else "")
    return (
        f"{percent(rate.value)} ({rate.mistakes} of {rate.judged}; 95% interval "
        f"{percent(interval.low)} to {percent(interval.high)}); {unclear}"
    )


def facts(audited: Audit) -> dict[str, Any]:
    """The same as JSON values; the trust report shows them."""
    not_audited: dict[str, int] = {}
    for (kind, _), number in audited.not_audited.items():
        not_audited[kind] = not_audited.get(kind, 0) + number
    return {
        "verifier": audited.verifier,
        "problems": audited.problems,
        "answers": audited.num_answers,
        "seed": audited.seed,
        "rules": [
            {
                "known": rule.known.value,
                "kind": rule.kind,
                "rule": rule.name,
                "made": outcomes.total(),
                **{name: outcomes[one] for one, name in _OUTCOMES.items()},
            }
            for rule, outcomes in _in_order(audited)
        ],
        **{known.value: _rate_facts(audited.rate(known)) for known in Known},
        "not_audited": not_audited,
        "notes": audited.notes,
        "examples": [one for known in _TITLES for one in audited.examples.get(known, [])],
    }


def _rate_facts(rate: Rate) -> dict[str, Any]:
    interval = rate.interval
    return {
        "rate": rate.value,
        "low": interval and interval.low,
        "high": interval and interval.high,
        "mistakes": rate.mistakes,
        "judged": rate.judged,
        "abstained": rate.abstained,
        "errors": rate.errors,
    }
