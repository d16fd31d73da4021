"""The run by domain and by verifier: lines of `berry show`, and the same as JSON."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from pipeline.datasets.counts import Counts
from pipeline.datasets.tallies.domains import PassRate, domain_figures
from pipeline.datasets.tallies.verifier_work import (
    BOUNDS_MS,
    VerifierFigures,
    verifier_figures,
    worst,
)

_MOST_LINES = 8
"""Domains, and verifiers, with a line of their own."""
_INDENT = " " * 11


def rate_text(rate: PassRate) -> str:
    """A pass rate with its interval."""
    return f"{rate.value:.1%} (95% interval {rate.low:.1%} to {rate.high:.1%})"


def domain_lines(counts: Counts) -> list[str]:
    """The pass rate of each domain; none with a single one, for which the whole run's stands."""
    figures = list(domain_figures(counts.by_domain))
    if len(figures) < 2:
        return []
    rows = []
    for one in figures[:_MOST_LINES]:
        rate = "no gold answers" if one.pass_rate is None else f"{rate_text(one.pass_rate)} right"
        rows.append([one.domain, rate, f"{one.problems} problems", f"{one.kept} survivors"])
    return _labelled("domains", rows, len(figures))


def verifier_lines(counts: Counts) -> list[str]:
    """The flakiest and the slowest verifiers; no line in runs of earlier versions."""
    figures = verifier_figures(counts.by_verifier)
    rows = [
        [
            one.verifier,
            f"{one.verdicts} verdicts",
            f"{one.errors} errors ({one.error_rate:.1%})",
            f"{one.abstentions} abstained",
            _time_text(one),
        ]
        for one in worst(figures, _MOST_LINES)
    ]
    return _labelled("verifiers", rows, len(figures))


def breakdown_facts(counts: Counts) -> dict[str, Any]:
    """Both as JSON, without a limit."""
    domains = [
        {
            "domain": one.domain,
            "problems": one.problems,
            "right": one.right,
            "not_right": one.not_right,
            "kept": one.kept,
            "pass_rate": None if one.pass_rate is None else one.pass_rate.value,
            "interval": None if one.pass_rate is None else [one.pass_rate.low, one.pass_rate.high],
        }
        for one in domain_figures(counts.by_domain)
    ]
    return {"domains": domains, "verifiers": list(map(asdict, verifier_figures(counts.by_verifier)))}


def _time_text(one: VerifierFigures) -> str:
    if one.mean_seconds is None:
        return "time unknown"
    if one.p95_seconds is None:
        upper = f"over 5% took more than {_short(BOUNDS_MS[-1] / 1000)}"
    else:
        upper = f"95% within {_short(one.p95_seconds)}"
    return f"mean {_short(one.mean_seconds)}, {upper}"


def _short(seconds: float) -> str:
    """A time with two significant digits."""
    if seconds >= 10:
        return f"{seconds:.0f} s"
    return f"{seconds:.2g} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"


def _labelled(label: str, rows: list[list[str]], total: int) -> list[str]:
    """The rows in columns, under a label; says how many rows were left out."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(_padded(row, widths)).rstrip() for row in rows]
    if (more := total - len(rows)) > 0:
        lines.append(f"and {more} more, which --json lists")
    return [
        f"{label if number == 0 else '':<{len(_INDENT)}}{line}" for number, line in enumerate(lines)
    ]


def _padded(row: Iterable[str], widths: Iterable[int]) -> Iterable[str]:
    return (f"{text:<{width}}" for text, width in zip(row, widths, strict=True))
