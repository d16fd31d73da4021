"""Reads optional attributes of plug-ins. No other module looks them up by name.

A plug-in is a user's class, or an object of it, and need not extend anything: an attribute may be
missing or have a wrong type. Each kind of plug-in has one function that reads its attributes into a
typed record: `read_traits` for verifiers, `read_strategy`, `read_engine` and `read_reward_model` in the
pipeline.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any


def attribute(holder: object, name: str, default: Any = None) -> Any:
    """The attribute; the default if it is missing or only an instance has it."""
    value = getattr(holder, name, default)
    # Looked up in a class, a property or a slot gives its descriptor.
    is_descriptor = isinstance(value, cached_property) or hasattr(type(value), "__set__")
    return default if isinstance(holder, type) and is_descriptor else value


def flag(holder: object, name: str, *, default: bool = False) -> bool:
    """An attribute that is True or False. Raises ValueError for any other value."""
    value = attribute(holder, name, default)
    if not isinstance(value, bool):
        raise ValueError(f"`{name}`, True or False, got {value!r:.100}")
    return value


def method(holder: object, name: str) -> Callable[..., Any] | None:
    """An optional method of the plug-in; None if it is missing or cannot be called."""
    found: Any = getattr(holder, name, None)
    return found if callable(found) else None
