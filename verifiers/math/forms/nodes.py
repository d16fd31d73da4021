"""Node types of a parsed answer."""

from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from verifiers.math.forms.units import Unit


class Unreadable(ValueError):
    """No rule reads the text; the message says where reading stopped."""


@dataclass(frozen=True, slots=True)
class Number:
    """A rational number written out."""

    value: Fraction
    places: int | None = None
    """Digits after the decimal point as written; None for integers and fractions."""


@dataclass(frozen=True, slots=True)
class Constant:
    """`pi`, `e`, `i` or `oo`, which is infinity."""

    name: str


@dataclass(frozen=True, slots=True)
class Variable:
    """A letter, with its subscript if it has one."""

    name: str


@dataclass(frozen=True, slots=True)
class Apply:
    """An operation or function: `add`, `mul`, `div`, `pow`, `neg`, `plus_minus`, `sqrt`, `sin` ..."""

    name: str
    args: "tuple[Formula, ...]"


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value with a unit."""

    value: "Formula"
    unit: Unit


@dataclass(frozen=True, slots=True)
class Numeral:
    """Digits in a stated base, most significant first."""

    digits: str
    base: int


@dataclass(frozen=True, slots=True)
class Items:
    """A list: a set in braces, a tuple, an interval, or a bare list without brackets."""

    items: "tuple[Formula, ...]"
    left: str = ""
    right: str = ""
    joiner: str = ","
    """Separator of a bare list: `,`, `and` or `or`."""


@dataclass(frozen=True, slots=True)
class Relation:
    """A chain such as `1 < x <= 2`: n + 1 sides around n of `= < > <= >= != in approx`."""

    sides: "tuple[Formula, ...]"
    signs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SetOperation:
    """`cup`, `cap` or `setminus` of two sets."""

    name: str
    left: "Formula"
    right: "Formula"


@dataclass(frozen=True, slots=True)
class NamedSet:
    """`R`, `Z`, `N`, `Q`, `C` or `empty`."""

    name: str


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows of equal length."""

    rows: "tuple[tuple[Formula, ...], ...]"


@dataclass(frozen=True, slots=True)
class Cases:
    """A function by cases: values and their conditions."""

    rows: "tuple[tuple[Formula, Formula], ...]"


@dataclass(frozen=True, slots=True)
class Congruence:
    """`x = 3 (mod 7)`; without a left side it is a residue."""

    left: "Formula | None"
    right: "Formula"
    modulus: "Formula"


@dataclass(frozen=True, slots=True)
class Ratio:
    """`3:4`, or with more parts."""

    parts: "tuple[Formula, ...]"


@dataclass(frozen=True, slots=True)
class Words:
    """An answer in words, in lower case and single spaces."""

    text: str


Expression: TypeAlias = Number | Constant | Variable | Apply
Formula: TypeAlias = (
    Expression
    | Quantity
    | Numeral
    | Items
    | Relation
    | SetOperation
    | NamedSet
    | Matrix
    | Cases
    | Congruence
    | Ratio
    | Words
)
