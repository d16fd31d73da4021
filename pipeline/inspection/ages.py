"""How long ago something happened."""

from datetime import UTC, datetime

from pipeline.inspection.time_left import duration


def seconds_since(time: str | None) -> float | None:
    """Seconds since this time, at least 0; None if it is unknown or unreadable."""
    try:
        passed = datetime.now(UTC) - datetime.fromisoformat(time or "")
    except (ValueError, TypeError):
        return None
    return max(0.0, passed.total_seconds())


def age(time: str | None) -> str:
    """The same in readable form."""
    seconds = seconds_since(time)
    return "an unknown time" if seconds is None else duration(seconds)
