"""Errors due to a user's mistake."""

from pipeline.errors import UserMistake


class EvaluationError(UserMistake):
    """The evaluation is impossible; the message is one line for the user."""
