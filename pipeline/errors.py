"""The two kinds of errors that end a command with one line instead of a traceback.

Each part has its own types, which say more; `cli.py` only needs to know whose affair it is.
"""

_LONGEST = 300


class UserMistake(Exception):
    """Bad input: the message says what was expected, what was got and what to do. Exit status 2."""


class RunFailure(Exception):
    """What broke on the way, through no mistake of the user's. Exit status 1."""


def named(error: BaseException) -> str:
    """The error's type and message in one line, such as `KeyError: 'x'`, cut to a readable length."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST].removesuffix(":")
