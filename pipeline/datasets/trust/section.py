"""The trust report: the section of the dataset card that says how far the data can be trusted.

It stands between two comments, so that it can be renewed in place while the rest of the card stays as
its user has written it. What was not measured is named, with the command that measures it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pipeline.datasets.counts import OTHER, Counts
from pipeline.datasets.folder import FolderError, RunFolder
from pipeline.datasets.trust.people import Agreement, Judgements, describe_agreement
from pipeline.datasets.trust.stored import measured_state, read_trust
from pipeline.labels.calibration import Calibration, read_calibration

BEGIN, END = "<!-- trust -->", "<!-- /trust -->"
_FOLLOWING = "## What was dropped, and why"
"""The heading before which the section stands in a new card."""
_AGREEMENT = ("Agreement of a second verifier",)
_RATES = ("Wrong answers that passed", "Right answers that failed")
_HYGIENE = ("Duplicates", "Contamination")
_COMMANDS = {
    "agreement": (_AGREEMENT, "berry verify OUT --with CONFIG --record"),
    "audit": (_RATES, "berry audit-verifier OUT"),
    "hygiene": (_HYGIENE, "berry clean OUT --output FOLDER --against FILE --record"),
}
"""Measurement -> its rows in the table, and the command that records it."""

Rows = Iterator[tuple[str, str | None]]
"""Names and values; None for what was not measured."""


def trust_section(folder: RunFolder) -> list[str]:
    """The lines of the section, with both comments. Raises FolderError and StorageError."""
    counts = folder.counts
    calibration = read_calibration(counts.calibration)
    rows = [
        ("Verifiers", _verifiers(counts)),
        *_recorded(folder),
        ("Verdicts of people", _people(folder)),
        ("Abstentions", _abstentions(counts)),
        ("Calibration of step labels", _calibrated(calibration, counts)),
    ]
    return [
        BEGIN,
        "## How far to trust this data",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in rows),
        *_calibration_table(calibration),
        END,
    ]


def renew_section(text: str, section: Sequence[str]) -> str:
    """The card with this section in the place of the old one; a card without one gets it."""
    lines = text.splitlines()
    marks = [line.strip() for line in lines]
    end = next((n for n, mark in enumerate(marks) if mark == END and BEGIN in marks[:n]), None)
    if end is not None:
        begin = max(n for n in range(end) if marks[n] == BEGIN)
        return "\n".join([*lines[:begin], *section, *lines[end + 1 :], ""])
    # A comment alone marks nothing.
    lines = [line for line, mark in zip(lines, marks, strict=True) if mark not in (BEGIN, END)]
    at = lines.index(_FOLLOWING) if _FOLLOWING in lines else len(lines)
    before, after = lines[:at], lines[at:]
    while before and not before[-1].strip():
        before.pop()
    return "\n".join([*before, "", *section, *(("", *after) if after else ()), ""])


def cell(text: str) -> str:
    """Text for a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def percent(fraction: float) -> str:
    """Three significant digits: the end of an interval may be very small."""
    return f"{100 * fraction:.3g}%"


def _recorded(folder: RunFolder) -> Iterator[tuple[str, str]]:
    """The rows of all measurements, also of those that are missing."""
    damage: dict[str, FolderError] = {}
    found, now = read_trust(folder.path, damage), measured_state(folder)
    for name, (rows, command) in _COMMANDS.items():
        missing = f"not measured; `{command}` measures it"
        if name in damage:
            missing = f"damaged; `{command}` measures it again"
        described: list[tuple[str, str | None]] = [(row, None) for row in rows]
        earlier = ""
        if name in found:
            earlier = (
                "" if found[name]["state"] == now else ", measured on an earlier state of the data"
            )
            try:
                described = list(_DESCRIBE[name](found[name]["facts"], folder.counts))
            except (KeyError, TypeError, ValueError, AttributeError):
                # The file was edited by hand, or is of another version.
                missing = f"damaged; `{command}` measures it again"
        for row, value in described:
            yield row, missing if value is None else f"{value}{earlier}"


def _verifiers(counts: Counts) -> str:
    if not counts.verdicts:
        return "no verdict of a verifier"
    named = [
        f"{'others' if name == OTHER else _name(name)} ({number} verdicts)"
        for name, number in counts.verifiers.most_common()
    ]
    if rest := sum(counts.verdicts.values()) - sum(counts.verifiers.values()):
        named.append(f"not counted by the version of berry that wrote them ({rest} verdicts)")
    return ", ".join(named)


def _name(verifier: object) -> str:
    return f"`{cell(str(verifier))}`"


def _agreement(facts: Mapping[str, Any], _: Counts) -> Rows:
    (row,) = _AGREEMENT
    stored = ", ".join(map(_name, facts["stored_by"])) or "no verifier"
    by = f"verdicts of {stored} and {_name(facts['judged_by'])}"
    if facts["agreement"] is None:
        yield row, f"unknown: both decide no response; {by}"
    else:
        yield row, f"{facts['agreement']:.2%} of {facts['decided']} responses that both decide; {by}"


def _audit(facts: Mapping[str, Any], counts: Counts) -> Rows:
    other = "" if _has_judged(facts["verifier"], counts) else " (no verdict of this run is its own)"
    for row, known in zip(_RATES, ("wrong", "right"), strict=True):
        one = facts[known]
        if one["rate"] is None:
            yield row, f"unknown: no {known} answer could be made by rule and judged"
            continue
        yield (
            row,
            f"{percent(one['rate'])} (95% interval {percent(one['low'])} to {percent(one['high'])}) of "
            f"{one['judged']} answers that are {known} by rule, on {facts['problems']} problems; "
            f"judged by {_name(facts['verifier'])}{other}, which abstained on {one['abstained']}",
        )
    if facts["not_audited"]:
        named = ", ".join(f"{cell(kind)} ({number})" for kind, number in facts["not_audited"].items())
        yield "Targets without a rule for answers", f"{named} problems"


def _has_judged(verifier: str, counts: Counts) -> bool:
    """Whether the run has a verdict of this name and version; also if that is not known."""
    return not counts.verifiers or any(
        verifier == name or (name.endswith("...") and verifier.startswith(name[:-3]))
        for name in counts.verifiers
    )


def _hygiene(facts: Mapping[str, Any], _: Counts) -> Rows:
    duplicates, found = facts.get("duplicates"), facts.get("contamination")
    dropped = " were dropped" if facts.get("dropped") else ""
    yield (
        _HYGIENE[0],
        None
        if duplicates is None
        else f"{duplicates['problems']} problems and {duplicates['responses']} responses that repeat "
        f"an earlier one{dropped}",
    )
    yield (
        _HYGIENE[1],
        None
        if found is None
        else f"{found['problems']} problems that are questions of "
        f"{', '.join(map(_name, found['against']))}{dropped}: {found['exact']} exactly, "
        f"{found.get('reworded', 0)} in other words, {found['numbers_changed']} with other numbers",
    )


_DESCRIBE: dict[str, Callable[[Mapping[str, Any], Counts], Rows]] = {
    "agreement": _agreement,
    "audit": _audit,
    "hygiene": _hygiene,
}


def _people(folder: RunFolder) -> str:
    found = Agreement.of(Judgements(folder.path).all())
    return describe_agreement(found) if found.judged else "none; `berry ui OUT` takes them"


def _abstentions(counts: Counts) -> str:
    total, number = sum(counts.verdicts.values()), counts.verdicts.get("abstain", 0)
    if not total:
        return "no verdict of a verifier"
    reasons = "; ".join(f"{cell(text)} ({count})" for text, count in counts.most_common("abstain"))
    return f"{number / total:.1%} of {total} verdicts{f': {reasons}' if reasons else ''}"


def _calibrated(found: Calibration | None, counts: Counts) -> str:
    if found is None:
        # Counts of earlier versions have none either.
        return "unknown: no prefix has two judged rollouts" if counts.rollouts else "no rollout yet"
    return (
        f"expected error {found.error:.3f}, Brier score {found.brier:.3f}, on {found.held_out} "
        "held-out rollouts"
    )


def _calibration_table(found: Calibration | None) -> Iterator[str]:
    if found is None:
        return
    yield from (
        "",
        "Half of the judged rollouts after each step predict how often the other half passes:",
        "",
        "| predicted pass rate | held-out rollouts | mean prediction | passed |",
        "|---|---|---|---|",
    )
    for one in found.ranges:
        name = f"{one.low:.0%} to {one.high:.0%}"
        yield f"| {name} | {one.held_out} | {one.predicted:.1%} | {one.measured:.1%} |"
