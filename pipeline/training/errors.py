"""Errors of `berry train`, each with a line for the user."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import RunFailure, UserMistake, is_machines, is_users
from reward_models.errors import first_line


class TrainError(UserMistake):
    """Nothing can be trained from this data; the message is one line for the user."""


class AlreadyTrained(Exception):
    """The output folder already holds a trained model; the message names its kind."""


@contextmanager
def output_explained(output: Path) -> Iterator[None]:
    """Converts a file that cannot be read or written to TrainError, or RunFailure for a fault of the
    machine such as a full disk."""
    try:
        yield
    except Exception as e:
        if not _is_storage(e):
            raise
        error = TrainError if isinstance(e, OSError) and is_users(e) else RunFailure
        why = (e.strerror if isinstance(e, OSError) else None) or first_line(e)
        raise error(f"--output {output}: cannot be written ({why})") from e


def _is_storage(error: Exception) -> bool:
    """Whether a file could not be read or written; safetensors and torch have errors of their own."""
    if isinstance(error, MemoryError):
        return False
    return isinstance(error, OSError) or is_machines(error) or "inline_container.cc" in str(error)
