"""Has an object, or a class, what a verifier has? Said before it is asked anything.

It looks at names and parameters, and runs nothing. What a class sets only when it is built is looked
at then.
"""

import inspect
from collections.abc import Callable
from typing import Any

from verifiers.kinds import target_kinds

_VERIFY = "verify(self, prompt, response, target)"


def complaint(verifier: object) -> str | None:
    """What is wrong with a verifier, in one line; None if nothing is."""
    for name in ("name", "version"):
        value = getattr(verifier, name, None)
        if not isinstance(value, str) or not value:
            return f"`{name}`, a text, got {'none' if value is None else repr(value)}"
    return _complaint_of_methods(verifier)


def complaint_of_class(cls: type[Any]) -> str | None:
    """What is wrong with every verifier of a class, in one line; None if nothing is."""
    for name in ("name", "version"):
        value = inspect.getattr_static(cls, name, None)
        plain = not hasattr(value, "__get__")  # properties and slots have their value when built
        if value is not None and plain and (not isinstance(value, str) or not value):
            return f"`{name}`, a text, got {value!r}"
    return _complaint_of_methods(cls)


def _complaint_of_methods(holder: object) -> str | None:
    kinds = getattr(holder, "target_kinds", None)
    try:
        if not isinstance(kinds, property):
            target_kinds(holder)
    except ValueError:
        return f"`target_kinds`, a tuple of texts or None for any kind, got {kinds!r:.100}"
    if not callable(getattr(holder, "verify", None)):
        return f"a method `{_VERIFY}`"
    if (found := _misfit(holder, "verify", 3)) is not None:
        return f"a method `{_VERIFY}`, got `{found}`"
    for name in ("start", "close"):
        if (method := getattr(holder, name, None)) is None:
            continue
        found = _misfit(holder, name, 0) if callable(method) else f"{method!r:.100}"
        if found is not None:
            return f"a method `{name}(self)` that needs nothing else, got `{found}`"
    return None


def _misfit(holder: object, name: str, num_arguments: int) -> str | None:
    """How a method is written that cannot be called with so many arguments; None if it can."""
    method: Callable[..., Any] = getattr(holder, name)
    static = inspect.getattr_static(holder, name)
    # Looked up in a class, a plain method still wants its object.
    unbound = isinstance(holder, type) and not isinstance(static, staticmethod | classmethod)
    if unbound and not inspect.isroutine(static):
        return None
    try:
        signature = inspect.signature(method)
    except (TypeError, ValueError):
        return None
    try:
        signature.bind(*[None] * (num_arguments + unbound))
    except TypeError:
        return f"{name}({', '.join(str(one) for one in signature.parameters.values())})"
    return None
