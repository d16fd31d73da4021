"""Limits on a program's use of objects that the tests gave it.

It may call them, read what they store and store values of its own, as a program does with other code's
callbacks and data structures. It must not change their behaviour, because tests query them afterwards:
a mock whose `assert_called_with` the program has replaced would confirm anything.
"""

import sys
import types
from typing import Any

_OPEN = frozenset({"__name__", "__qualname__", "__doc__", "__module__"})
"""Attributes that decorators read from the functions that they wrap."""
_GENERATORS = (types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType)
_FRAMES = (types.FrameType, types.TracebackType, types.CodeType, types.ModuleType)


def check_access(subject: Any, name: Any, *, changes: bool) -> None:
    """Raises AttributeError for an attribute that a program may not use, or not change."""
    if not isinstance(name, str) or not _is_open(subject, name, changes=changes):
        raise AttributeError(f"{name!r:.50} cannot be used from the other process")


def _is_open(subject: Any, name: str, *, changes: bool) -> bool:
    if name.startswith("_"):
        # Such as `__globals__`.
        return name in _OPEN and not changes
    if isinstance(subject, _FRAMES):
        return False
    if isinstance(subject, _GENERATORS):
        # Excludes `gi_frame`, which gives access to all names of the tests.
        return name in ("send", "throw", "close") and not changes
    if is_mock(subject) and hasattr(sys.modules["unittest.mock"].MagicMock, name):
        return False
    # Methods must not be replaced, on an object or on a class.
    return not (changes and (isinstance(subject, type) or callable(getattr(type(subject), name, None))))


def is_mock(subject: Any) -> bool:
    """Whether it records its calls for the tests to inspect."""
    mock = sys.modules.get("unittest.mock")
    return mock is not None and isinstance(subject, mock.NonCallableMock)
