"""Reads brackets, braces and bars: groups, tuples, intervals, sets."""

from abc import ABC, abstractmethod

from verifiers.math.forms.nodes import (
    Apply,
    Constant,
    Formula,
    Items,
    Matrix,
    NamedSet,
    Number,
    Relation,
    Unreadable,
    Variable,
)
from verifiers.math.reading.cursor import Cursor
from verifiers.math.reading.tokens import Token

_CLOSING = {
    "(": ")]",
    "[": "])",
    "{": "}",
    "\\{": ("\\}",),
    "<<": (">>",),
    "lfloor": ("rfloor",),
    "lceil": ("rceil",),
}
_MATCHING = {"(": ")", "[": "]"}
OPENING = frozenset(_CLOSING)


class BracketReader(Cursor, ABC):
    """Reads brackets. Subclasses read the contents."""

    def __init__(self, tokens: list[Token]) -> None:
        super().__init__(tokens)
        self._bars = 0
        """Whether a `|` is open, so that the next one closes it."""

    @abstractmethod
    def read_list(self) -> Formula:
        """Several items with separators, or a single item."""

    @abstractmethod
    def read_chain(self) -> Formula:
        """Several sides with relation signs, or a single side."""

    @abstractmethod
    def read_sum(self) -> Formula:
        """Terms with plus and minus signs."""

    @abstractmethod
    def read_power(self) -> Formula:
        """An atom with its exponents and postfix operators."""

    @abstractmethod
    def read_exponent(self) -> Formula:
        """The exponent after `^`."""

    @abstractmethod
    def read_product(self, left: Formula) -> Formula:
        """The product of `left` and the factor after it."""

    @abstractmethod
    def read_atom(self) -> Formula:
        """A number, a name, or an expression in brackets or with a command."""

    def _bracketed(self, left: str) -> Formula:
        """The formula in brackets, whose opening bracket `left` has been taken. Raises Unreadable."""
        if self.next.kind in _CLOSING[left] and left in ("\\{", "{"):
            self.take()
            return NamedSet("empty")
        # In braces, a bar after an expression belongs to a set-builder.
        bars, self._bars = self._bars, int(left == "\\{")
        inner = self.read_list()
        if left == "\\{" and self.next.kind in ("|", ":"):
            self.take()
            inner = self._with_condition(inner)
            self.expect("\\}")
            self._bars = bars
            return inner
        self._bars = bars
        right = self.take().kind
        bare = isinstance(inner, Items) and not inner.left
        if right not in _CLOSING[left] or (not bare and right in ")]" and right != _MATCHING[left]):
            self.position -= 1
            raise self.lost()
        if left in ("lfloor", "lceil"):
            return Apply({"lfloor": "floor", "lceil": "ceil"}[left], (inner,))
        if left == "\\{" or (left == "{" and bare):
            return Items(inner.items if bare else (inner,), "{", "}")  # type: ignore[union-attr]  # bare: Items
        if bare:
            return Items(inner.items, "(" if left == "<<" else left, ")" if right == ">>" else right)  # type: ignore[union-attr]  # bare: Items
        if (
            left == "["
            and right == "]"
            and not isinstance(inner, Number | Variable | Constant | Apply | Matrix)
        ):
            return Items((inner,), "[", "]")
        return inner

    def _with_condition(self, element: Formula) -> Formula:
        """The elements of a set-builder, from the condition on its variable. Raises Unreadable."""
        start = self.position
        condition = self.read_list()
        used = {token.text for token in self._tokens[start : self.position] if token.kind == "name"}
        if (
            isinstance(element, Relation)
            and element.signs == ("in",)
            and element.sides[1] in (NamedSet("R"), Variable("R"))
        ):
            element = element.sides[0]
        if isinstance(element, Variable) and element.name.partition("_")[0] in used:
            return condition
        if (
            isinstance(condition, Relation)
            and condition.signs == ("in",)
            and isinstance(element, Apply)
        ):
            return Items((element, condition))  # as in `{2k | k in Z}`
        raise Unreadable("only sets of real numbers are read from a condition")

    def _argument(self) -> Formula:
        """The argument of a LaTeX command: a group or a single token."""
        if self.next.kind == "{":
            self.take()
            return self._bracketed("{")
        return self.read_atom()

    def _absolute_value(self, bar: str) -> Formula:
        """The absolute value whose opening `bar` has been taken. Raises Unreadable."""
        if bar == "|" and self._bars:
            raise Unreadable("nested bars are ambiguous")
        bars, self._bars = self._bars, int(bar == "|")
        inner = self.read_sum()
        self._bars = bars
        self.expect({"|": "|", "left|": "right|"}[bar])
        return Apply("abs", (inner,))

    def _closing_bracket(self) -> int:
        """Index of the bracket that closes the one here; the end if none does."""
        depth = 0
        for place in range(self.position, len(self._tokens)):
            depth += {"(": 1, ")": -1}.get(self._tokens[place].kind, 0)
            if depth == 0:
                return place
        return len(self._tokens)
