"""What goes wrong with a reward model, each in one line for the user."""


class RewardModelError(ValueError):
    """The model cannot be used as asked; the message is one line for the user."""


class RewardModelDied(RuntimeError):
    """A model that had started is gone, and will not come back by itself."""
