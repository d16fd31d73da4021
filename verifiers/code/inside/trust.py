"""How far tests can believe the program's objects, which answer for themselves.

Plain values are compared where the program has no say. An object of the program's stays with it, so
that whatever a test finds out about one is the program's own answer. That is fine where the answer is
compared with what the test expects, and worth nothing where the object is asked whether it is that.

- An object that a function returned equals no plain value, and has no part in arithmetic with one.
- An object that a test made by calling a class by its name is what is tested: its methods and its
  arithmetic are asked. Only a capital letter tells a class from a function, since a wrong program can
  name either as it likes.
- What such arithmetic makes of a plain value is asked for its attributes. That it is a plain value, or
  gives one by `abs`, `float` and the like, is noted in `consulted`: `abs(x - 4) < 1e-6` says to the
  program what is expected.
- Whether two objects are equal, what a returned object's methods make of a test's values, and what is
  stored in an object of a mere helper class can be asked, but is noted in `consulted`.
"""

from enum import Enum
from typing import Any


class Origin(Enum):
    """How a test has come by an object."""

    RETURNED = "returned"
    TESTED = "tested"
    """Made from the class under test."""
    COMPUTED = "computed"
    """What the program made of an object and a plain value of the tests, such as `vector * 2`."""
    HELPER = "helper"
    """Made from another class of the program's, which the test names."""


class Trust:
    """The rules, and what the program was asked that only it can know."""

    def __init__(self, entry_point: str) -> None:
        self._tested = entry_point
        self.consulted: list[str] = []

    def origin_by(self, name: str) -> Origin | None:
        """Of the objects made from a class that a test finds under this name in the program."""
        if not name[:1].isupper():
            return None
        return Origin.TESTED if name == self._tested else Origin.HELPER

    def may_operate(self, origin: Origin, other: Origin | None, name: str, *, compares: bool) -> bool:
        """Whether an operator is left to the program; `other` is None for a plain value."""
        if other is None and origin is Origin.RETURNED:
            return False
        if compares:
            self.consulted.append(name)
        return True

    def note_plain(self, origin: Origin, name: str) -> None:
        """An operator without operands gave a plain value."""
        if origin is Origin.COMPUTED:
            self.consulted.append(name)

    def note_method(self, origin: Origin, name: str, *, has_arguments: bool, result: Any) -> None:
        """A method was called."""
        asserts = name.rpartition(".")[2].startswith("assert")
        if origin is Origin.RETURNED and has_arguments and (asserts or result is not None):
            self.consulted.append(name)

    def note_attribute(self, origin: Origin, name: str) -> None:
        """A stored value was read."""
        if origin is Origin.HELPER:
            self.consulted.append(name)
