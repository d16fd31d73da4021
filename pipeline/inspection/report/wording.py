"""Numbers as people read them: rounded, and a dash for what is unknown."""

from datetime import UTC, datetime

from pipeline.inspection.report.intervals import Rate
from pipeline.inspection.time_left import duration

UNKNOWN = "–"  # noqa: RUF001 - a dash, as in any table


def number(value: float | None) -> str:
    """A count: exact up to a million, then with three digits."""
    if value is None:
        return UNKNOWN
    for size, name in ((1e9, "billion"), (1e6, "million")):
        if abs(value) >= size:
            return f"{value / size:.3g} {name}"
    return f"{value:,.0f}"


def decimal(value: float | None) -> str:
    """A number with three significant digits."""
    if value is None:
        return UNKNOWN
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def percent(fraction: float | None) -> str:
    """A fraction; small ones keep two significant digits."""
    if fraction is None:
        return UNKNOWN
    value = 100 * fraction
    if value in (0, 100):
        return f"{value:.0f}%"
    if value < 1:
        return f"{value:.2g}%"
    # Nothing but all is 100%.
    return f"{min(value, 99.9):.1f}%"


def interval(low: float | None, high: float | None) -> str:
    """The two ends of an interval of fractions."""
    return UNKNOWN if low is None or high is None else f"{percent(low)} to {percent(high)}"


def rate(found: Rate) -> str:
    """A fraction with its interval."""
    if found.value is None:
        return UNKNOWN
    return f"{percent(found.value)} ({interval(found.low, found.high)})"


def seconds(value: float | None) -> str:
    """A time."""
    if value is None:
        return UNKNOWN
    if value >= 60:
        return duration(value)
    return f"{value:.2g} s" if value >= 1 else f"{1000 * value:.3g} ms"


def moment(time: str) -> str:
    """A time of the run folder to the minute; as it is if it cannot be read."""
    try:
        found = datetime.fromisoformat(time)
    except ValueError:
        return time
    if found.tzinfo is None:
        return f"{found:%Y-%m-%d %H:%M}"
    return f"{found.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def size(num_bytes: int) -> str:
    """The size of a file."""
    return f"{num_bytes / 1e6:.1f} MB" if num_bytes >= 1e6 else f"{num_bytes / 1e3:.0f} kB"


def plural(count: int, noun: str) -> str:
    """A count with its noun."""
    return f"{number(count)} {noun}{'' if count == 1 else 's'}"
