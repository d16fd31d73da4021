"""The rounds of a loop, as a table and as JSON."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipeline.files.locks import has_writer
from pipeline.inspection.time_left import duration
from pipeline.loop.folder import LoopFolder
from pipeline.loop.records import RoundRecord, StageRecord

_UNKNOWN = "-"
_IN_TABLE = ("search", "policy", "prm", "orm", "evaluate", "gate")
"""Stages whose figures are in the table, or in the line of the round's outcome."""


def describe(folder: LoopFolder) -> str:
    """A row for each round, and below the table what was promoted and why."""
    rounds = folder.rounds()
    wanted = folder.about["config"]["rounds"]
    done = sum(one.is_complete for one in rounds[1:])
    wanted = max(wanted, done)  # It may have been lowered.
    state = "complete" if done == wanted else _state(folder)
    lines = [f"loop       {folder.path}: {done} of {wanted} rounds ({state})"]
    rows = [[name for name, _ in _COLUMNS]]
    rows += [[text(one) for _, text in _COLUMNS] for one in rounds]
    # A column in which no round has anything tells nothing.
    wide = [column for column in zip(*rows, strict=True) if {*column[1:]} != {_UNKNOWN}]
    widths = [max(map(len, column)) for column in wide]
    lines += [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in zip(*wide, strict=True)
    ]
    lines += [f"round {one.round:<4} {_outcome(one)}" for one in rounds[1:]]
    for one in rounds:
        lines += [
            f"round {one.round:<4} {stage.name} failed: {stage.failed}"
            for stage in one.stages
            if stage.failed
        ]
        lines += [
            f"round {one.round:<4} {stage.name}: {text}"
            for stage in one.stages
            if stage.use not in _IN_TABLE and (text := one_line(stage))
        ]
    if rounds:
        lines.append(f"generator  {rounds[-1].ends_with.generator or _UNKNOWN}")
    return "\n".join(lines)


def one_line(stage: StageRecord) -> str:
    """The figures of a stage and its time; empty if it has none."""
    shown = [
        f"{name.replace('_', ' ')} {_number(value)}"
        for name, value in stage.figures.items()
        if isinstance(value, int | float | str)
    ]
    points = (stage.figures.get("pass@k") or ()) if stage.use == "evaluate" else ()
    shown += [f"pass@{one['k']} {_with_interval(one)}" for one in points]
    return ", ".join([*shown, duration(stage.seconds)]) if shown else ""


def facts(folder: LoopFolder) -> dict[str, Any]:
    """The same as JSON values; docs/json.md has the keys."""
    rounds = folder.rounds()
    return {
        "path": str(folder.path),
        "rounds_wanted": folder.about["config"]["rounds"],
        "running": has_writer(folder.path),
        "rounds": [{**one.model_dump(mode="json"), "seconds": one.seconds} for one in rounds],
    }


def _state(folder: LoopFolder) -> str:
    if has_writer(folder.path):
        return "running"
    command = folder.about.get("started_by", {}).get("command")
    return f"not running; go on with: {command}" if command else "not running"


def _outcome(record: RoundRecord) -> str:
    if record.is_complete:
        what = "promoted" if record.promoted else "not promoted"
        return f"{what}: {record.why}"
    last = record.stages[-1].name if record.stages else None
    return "has begun" if last is None else f"has done {', '.join(one.name for one in record.stages)}"


def _figure(use: str, key: str, show: Callable[[Any], str] = str) -> Callable[[RoundRecord], str]:
    """The text of a figure of the first stage of a kind; `-` if it has none."""

    def text(record: RoundRecord) -> str:
        value = next((one.figures.get(key) for one in record.by_use(use)), None)
        return _UNKNOWN if value is None else show(value)

    return text


def _pass_at(best: bool) -> Callable[[RoundRecord], str]:
    """pass@1 with its interval, or pass@k of the largest k."""

    def text(record: RoundRecord) -> str:
        points = next((one.figures.get("pass@k") for one in record.by_use("evaluate")), None)
        if not points:
            return _UNKNOWN
        point = max(points, key=lambda one: one["k"]) if best else points[0]
        if best:
            return f"{point['value']:.3f} (k={point['k']})"
        return _with_interval(point)

    return text


def _scorers(record: RoundRecord) -> str:
    """The AUC of each reward model, on held-out problems of its data."""
    stages: Sequence[StageRecord] = [*record.by_use("prm"), *record.by_use("orm")]
    found = [
        f"{one.figures['auc']:.3f}{'*' if 'left_out' in one.figures else ''}"
        for one in stages
        if one.figures.get("auc") is not None
    ]
    return " ".join(found) or _UNKNOWN


def _tokens(record: RoundRecord) -> str:
    """Tokens that search and evaluations sampled."""
    found = [
        one.figures["tokens"]
        for use in ("search", "evaluate")
        for one in record.by_use(use)
        if "tokens" in one.figures
    ]
    return f"{sum(found):,}" if found else _UNKNOWN


def _with_interval(point: Mapping[str, Any]) -> str:
    """An accuracy with its 95% interval over problems."""
    if point["low"] is None:
        return f"{point['value']:.3f}"
    return f"{point['value']:.3f} ({point['low']:.3f} to {point['high']:.3f})"


def _number(value: float | str) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.4g}"
        case int():
            return f"{value:,}"
    return value


def _rate(value: float) -> str:
    return f"{value:.3f}"


def _count(value: int) -> str:
    return f"{value:,}"


def _promoted(record: RoundRecord) -> str:
    if not record.is_complete:
        return _UNKNOWN
    return "yes" if record.promoted else "no"


_COLUMNS: Sequence[tuple[str, Callable[[RoundRecord], str]]] = (
    ("round", lambda record: str(record.round)),
    ("problems", _figure("search", "problems", _count)),
    ("pass rate", _figure("search", "pass_rate", _rate)),
    ("survivors", _figure("search", "survivors", _count)),
    ("trained on", _figure("policy", "examples", _count)),
    ("AUC", _scorers),
    ("pass@1 held out (95%)", _pass_at(best=False)),
    ("coverage", _pass_at(best=True)),
    ("tokens", _tokens),
    ("time", lambda record: duration(record.seconds)),
    ("promoted", _promoted),
)
"""Heading and cell of each column."""
