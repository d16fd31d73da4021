"""What a comparison says, and what it depends on."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

from verifiers.formulas.conventions import Conventions
from verifiers.formulas.equality import Equal
from verifiers.formulas.nodes import Apply, Constant, Number, Variable
from verifiers.formulas.statements import Structure

ATOMS = (Number, Constant, Variable, Apply)
"""What has a value or is an expression in variables."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whether an answer equals the gold answer, and why."""

    equal: Equal
    reason: str
    no_answer: bool = False
    """Of UNKNOWN: the answer is equal, and none all the same, such as the question once more."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a comparison depends on beside the two answers."""

    conventions: Conventions = field(default_factory=Conventions)
    percent_is_figure: bool = False
    """Whether the question asks for a percentage, so that 50 and 50% are the same."""


class Comparer(ABC):
    """Compares structures; rules use it for the parts of theirs."""

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
    """It cannot be told."""
    return Comparison(Equal.UNKNOWN, reason)


def all_equal(found: Sequence[Equal], same: str, differ: str) -> Comparison:
    """The verdict on a whole from those on its parts."""
    if Equal.NO in found:
        return no(differ)
    return yes(same) if Equal.UNKNOWN not in found else unknown("some parts could not be compared")
