"""What goes wrong through a user's mistake."""

from pipeline.errors import UserMistake


class EvaluationError(UserMistake):
    """What was asked for cannot be worked out; the message is one line for the user."""
