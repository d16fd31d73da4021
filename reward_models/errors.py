"""Errors of reward models, each with a one-line message for the user."""


class RewardModelError(ValueError):
    """The model cannot be used as configured; the message is one line for the user."""


class RewardModelDied(RuntimeError):
    """A model that had started has died and will not restart by itself."""


def first_line(error: BaseException) -> str:
    """First line of a library's error message, which may be pages long."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
