"""The result of a comparison, and the settings it depends on."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

from verifiers.math.equality.equality import Equal
from verifiers.math.forms.conventions import Conventions
from verifiers.math.forms.nodes import Apply, Constant, Number, Variable
from verifiers.math.meaning.statements import Structure

ATOMS = (Number, Constant, Variable, Apply)
"""Structures that have a value or are an expression in variables."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whether an answer equals the gold answer, and why."""

    equal: Equal
    reason: str
    no_answer: bool = False
    """For UNKNOWN: the answer is equal but does not answer, such as the question repeated."""


@dataclass(frozen=True, slots=True)
class Context:
    """Settings of a comparison, besides the two answers."""

    conventions: Conventions = field(default_factory=Conventions)
    percent_is_figure: bool = False
    """Whether the question asks for a percentage, so that 50 and 50% are the same."""


class Comparer(ABC):
    """Compares structures; rules call it for the parts of theirs."""

    def __init__(self, context: Context) -> None:
        self.context = context

    @abstractmethod
    def compare(self, gold: Structure, answer: Structure) -> Comparison:
        """Whether two structures say the same. Raises TooLarge and Unreadable."""


def yes(reason: str) -> Comparison:
    """They are equal."""
    return Comparison(Equal.YES, reason)


def no(reason: str) -> Comparison:
    """They are different."""
    return Comparison(Equal.NO, reason)


def unknown(reason: str) -> Comparison:
    """It cannot be decided."""
    return Comparison(Equal.UNKNOWN, reason)


def all_equal(found: Sequence[Equal], same: str, differ: str) -> Comparison:
    """Combines the results for the parts into one for the whole."""
    if Equal.NO in found:
        return no(differ)
    return yes(same) if Equal.UNKNOWN not in found else unknown("some parts could not be compared")
