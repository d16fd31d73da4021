"""The errors that end a command with one line, each with its exit status.

Each part has its own, more specific subclasses; the command line only needs these:

    status  class          what to do
    1       PartlyDone     the work finished, but part of it failed: read the line
    2       UserMistake    correct the command, the config or the file
    3       RunFailure     the machine, Ray or berry itself failed: repeat the command to resume
"""

import errno
import re
import traceback
from pathlib import Path

_LONGEST = 300
_USERS = frozenset(
    {
        errno.EACCES,
        errno.EEXIST,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.ENOTEMPTY,
        errno.EPERM,
        errno.EROFS,
    }
)
"""File system errors that mean that the user gave a wrong path."""


class BerryError(Exception):
    """Ends a command. The message is one line for the user."""

    status = 3


class PartlyDone(BerryError):
    """The command finished, but part of its work failed. Exit status 1."""

    status = 1


class UserMistake(BerryError):
    """Bad input: the message says what was expected, what was got and what to do. Exit status 2."""

    status = 2


class RunFailure(BerryError):
    """The machine, Ray or berry itself failed, not the user. Exit status 3."""

    status = 3


def is_users(error: OSError) -> bool:
    """Whether the path is wrong, as opposed to a full disk or another shortage of the machine.

    An error without a number, such as from a damaged file, counts as a wrong path.
    """
    return error.errno is None or error.errno in _USERS


def is_machines(error: BaseException) -> bool:
    """Whether the machine lacks memory, disk space or another resource, or its disk fails.

    Libraries in Rust, such as safetensors, give the number of a file system error only in the message.
    """
    if isinstance(error, OSError):
        return not is_users(error)
    found = re.search(r"\(os error (\d+)\)", message_of(error))
    return isinstance(error, MemoryError) or (found is not None and int(found[1]) not in _USERS)


def named(error: BaseException) -> str:
    """The error's type and message in one line, such as `KeyError: 'x'`, shortened if too long."""
    name, text = type(error).__name__, message_of(error)
    return f"{name}: {text}" if text else name


def message_of(error: BaseException) -> str:
    """The error's message in one line of valid text, shortened if too long.

    An error of third-party code may fail to make its message, or have lone surrogates in it.
    """
    try:
        text = str(error)[: 10 * _LONGEST]
    except Exception as e:  # noqa: BLE001 - its __str__ may raise anything
        text = f"(its message cannot be shown: {type(e).__name__})"
    line = " ".join(text.encode(errors="backslashreplace").decode().split())
    return line[:_LONGEST]


def where(error: BaseException) -> str:
    """The file and line that raised the error, such as `mine.py, line 3`; "" if unknown."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""


def first_in(failures: BaseExceptionGroup) -> BaseException:
    """The first exception in nested groups."""
    first: BaseException = failures
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first
