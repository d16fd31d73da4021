"""How far tests can trust the program's objects, which answer for themselves.

Plain values are compared outside the program's reach. An object of the program stays with it, so
anything a test learns about it is the program's own answer. That is safe if the answer is compared with
an expected value, and worthless if the object is asked whether it equals that value.

- An object that a function returned equals no plain value, and takes no part in arithmetic with one.
- An object that a test made by calling a class by name is under test: its methods and arithmetic are
  used. Only a capital letter distinguishes a class from a function, since a wrong program can name
  either as it likes.
- The result of such arithmetic with a plain value is asked for its attributes. If it is a plain value,
  or gives one through `abs`, `float` and the like, that is noted in `consulted`: `abs(x - 4) < 1e-6`
  tells the program what is expected.
- Three questions are allowed, but noted in `consulted`: whether two objects are equal, what a returned
  object's methods make of a test's values, and what an object of a mere helper class stores.
"""

from enum import Enum
from typing import Any


class Origin(Enum):
    """How a test obtained an object."""

    RETURNED = "returned"
    TESTED = "tested"
    """Made from the class under test."""
    COMPUTED = "computed"
    """Result of an operation on an object and a plain value of the tests, such as `vector * 2`."""
    HELPER = "helper"
    """Made from another class of the program, which the test names."""


class Trust:
    """The rules, and a record of questions that only the program could answer."""

    def __init__(self, entry_point: str) -> None:
        self._tested = entry_point
        self.consulted: list[str] = []

    def origin_by(self, name: str) -> Origin | None:
        """Origin of objects made from the program's class with this name."""
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
        """Notes that an operator without operands gave a plain value."""
        if origin is Origin.COMPUTED:
            self.consulted.append(name)

    def note_method(self, origin: Origin, name: str, *, has_arguments: bool, result: Any) -> None:
        """Notes that a method was called."""
        asserts = name.rpartition(".")[2].startswith("assert")
        if origin is Origin.RETURNED and has_arguments and (asserts or result is not None):
            self.consulted.append(name)

    def note_attribute(self, origin: Origin, name: str) -> None:
        """Notes that a stored value was read."""
        if origin is Origin.HELPER:
            self.consulted.append(name)
