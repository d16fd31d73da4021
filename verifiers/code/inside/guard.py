"""What a program may do with objects of the tests, which it was given.

It may call them, read what they store and store values of its own, as a program does with the callbacks
and data structures of others. It must not change how they behave, since tests ask them afterwards: a
mock whose `assert_called_with` the program has replaced would confirm anything.
"""

import sys
import types
from typing import Any

_OPEN = frozenset({"__name__", "__qualname__", "__doc__", "__module__"})
"""What decorators read of the functions that they wrap."""
_GENERATORS = (types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType)
_FRAMES = (types.FrameType, types.TracebackType, types.CodeType, types.ModuleType)


def check_access(subject: Any, name: Any, *, changes: bool) -> None:
    """Raises AttributeError for an attribute that a program may not use, or may not change."""
    if not isinstance(name, str) or not _is_open(subject, name, changes=changes):
        raise AttributeError(f"{name!r:.50} cannot be used from the other process")


def _is_open(subject: Any, name: str, *, changes: bool) -> bool:
    if name.startswith("_"):
        # Such as `__globals__`.
        return name in _OPEN and not changes
    if isinstance(subject, _FRAMES):
        return False
    if isinstance(subject, _GENERATORS):
        # Not `gi_frame`, which holds all names of the tests.
        return name in ("send", "throw", "close") and not changes
    if is_mock(subject) and hasattr(sys.modules["unittest.mock"].MagicMock, name):
        return False
    # Methods are not to be replaced, neither for one object nor for all of a class.
    return not (changes and (isinstance(subject, type) or callable(getattr(type(subject), name, None))))


def is_mock(subject: Any) -> bool:
    """Whether it records what is done to it, for the tests to look at."""
    mock = sys.modules.get("unittest.mock")
    return mock is not None and isinstance(subject, mock.NonCallableMock)
