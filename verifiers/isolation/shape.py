"""Checks that an object, or a class, has the attributes and methods of a verifier.

The check reads names and signatures and runs nothing. Attributes that are set in the constructor are
checked on the instance.
"""

import inspect
from collections.abc import Callable
from typing import Any

from verifiers.attributes import attribute
from verifiers.traits import read_traits

_VERIFY = "verify(self, prompt, response, target)"


def complaint(verifier: object) -> str | None:
    """The fault of a verifier, or of a verifier class, in one line; None if there is none."""
    try:
        read_traits(verifier)
    except ValueError as e:
        return str(e)
    return _complaint_of_methods(verifier)


def _complaint_of_methods(holder: object) -> str | None:
    if not callable(attribute(holder, "verify")):
        return f"a method `{_VERIFY}`"
    if (found := _misfit(holder, "verify", 3)) is not None:
        return f"a method `{_VERIFY}`, got `{found}`"
    for name in ("start", "close"):
        if (method := attribute(holder, name)) is None:
            continue
        found = _misfit(holder, name, 0) if callable(method) else f"{method!r:.100}"
        if found is not None:
            return f"a method `{name}(self)` that needs nothing else, got `{found}`"
    return None


def _misfit(holder: object, name: str, num_arguments: int) -> str | None:
    """Signature of a method that cannot take this many arguments; None if it can."""
    method: Callable[..., Any] = getattr(holder, name)
    static = inspect.getattr_static(holder, name)
    # Looked up in a class, a plain method still takes `self`.
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
