"""What goes wrong with a reward model, each in one line for the user."""


class RewardModelError(ValueError):
    """The model cannot be used as asked; the message is one line for the user."""


class RewardModelDied(RuntimeError):
    """A model that had started is gone, and will not come back by itself."""


def first_line(error: BaseException) -> str:
    """Of what a library raised, which may be pages long."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
