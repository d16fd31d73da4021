"""Statements that an answer can make beyond a plain formula."""

from dataclasses import dataclass
from typing import TypeAlias

from verifiers.math.forms.nodes import Apply, Formula
from verifiers.math.meaning.regions import Region


@dataclass(frozen=True, slots=True)
class Named:
    """`name = value`."""

    name: str
    value: "Structure"


@dataclass(frozen=True, slots=True)
class Assignment:
    """Values of several names, in the names' order: `x = 1, y = 2`."""

    parts: tuple[Named, ...]


@dataclass(frozen=True, slots=True)
class Family:
    """An expression for every value of a parameter in a set: `k pi, k in Z`."""

    member: Formula
    parameter: str
    domain: "Structure"


@dataclass(frozen=True, slots=True)
class Equation:
    """`left = right`, in variables."""

    left: Formula
    right: Formula

    @property
    def difference(self) -> Formula:
        """The expression that is zero where the equation holds."""
        return Apply("add", (self.left, Apply("neg", (self.right,))))


@dataclass(frozen=True, slots=True)
class Inequality:
    """`difference > 0`, or `>= 0` if it is not strict."""

    difference: Formula
    strict: bool


@dataclass(frozen=True, slots=True)
class Ordering:
    """`a < b <= c`: ascending sides, and for each sign whether it allows equality."""

    sides: tuple[Formula, ...]
    closed: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A chain of equalities with at least one that does not hold."""


Structure: TypeAlias = (
    Formula | Named | Assignment | Family | Equation | Inequality | Ordering | Contradiction | Region
)
