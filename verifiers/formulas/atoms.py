"""Reads the atoms of an answer: numbers, names, brackets, functions, matrices."""

import re
from abc import ABC, abstractmethod
from fractions import Fraction

from verifiers.formulas.building import determinant, divide, negative, numeral
from verifiers.formulas.calls import call
from verifiers.formulas.cursor import END, Cursor
from verifiers.formulas.nodes import (
    Apply,
    Cases,
    Constant,
    Formula,
    Items,
    Matrix,
    NamedSet,
    Number,
    Relation,
    Unreadable,
    Variable,
    Words,
)
from verifiers.formulas.tokens import Token

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
STARTS_FACTOR = frozenset(
    ["number", "name", "constant", "function", "frac", "sqrt", "binom", "begin"]
) | (OPENING - {"\\{"})
_CONTINUES_ARGUMENT = STARTS_FACTOR - {"function", "(", "["}
_ARC = {"sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh"}
_ALIASES = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "arsinh": "asinh", "arcosh": "acosh"}
_ALIASES |= {"artanh": "atanh", "lg": "log10"}
_FUNCTIONS_BY_NAME = frozenset("f g h F G H P E V p q T phi psi Phi varphi f' g' h' y".split())
"""Letters whose brackets before an equals sign belong to a name, whatever is in them."""
_DIFFERENTIAL = re.compile(r"d(?:[a-zA-Z]|theta|phi|omega|alpha|beta|tau|rho|sigma|lambda)\d*")
_CONDITIONAL = frozenset(["if", "for", "when", "where"])
_OTHERWISE = frozenset(["otherwise", "else"])
_INVERSE = ["^", "{", "-", "1", "}", "("]
_BEFORE_NAMES = frozenset([",", ";", "and", "or", "(", "[", "\\{"])
_OPAQUE = frozenset("f g h zeta phi varphi psi Phi Psi Gamma".split())
"""Letters that are functions before a bracket; nothing is known of their values."""


class AtomReader(Cursor, ABC):
    """Reads atoms; what they contain is read by the rest of the grammar."""

    def __init__(self, tokens: list[Token]) -> None:
        super().__init__(tokens)
        self._bars = 0
        """Whether a `|` is open, inside of which the next one closes."""

    @abstractmethod
    def read_list(self) -> Formula:
        """Items between separators, or one."""

    @abstractmethod
    def read_chain(self) -> Formula:
        """Sides between relation signs, or one."""

    @abstractmethod
    def read_sum(self) -> Formula:
        """Terms between signs."""

    @abstractmethod
    def read_power(self) -> Formula:
        """An atom with what is put behind or above it."""

    @abstractmethod
    def read_exponent(self) -> Formula:
        """What stands behind `^`."""

    @abstractmethod
    def read_product(self, left: Formula) -> Formula:
        """The product of `left` and the factor that stands behind it."""

    # What is computed while it is read; `as_written.py` keeps it as it stands.

    def number(self, token: Token) -> Formula:
        """The number that a token is."""
        assert token.value is not None
        return Number(token.value, token.places)

    def fraction(self, top: Formula, bottom: Formula) -> Formula:
        """A fraction with a bar, which is one number if its parts are whole numbers."""
        return divide(top, bottom)

    def read_atom(self) -> Formula:
        """A number, a name, or something in brackets or with a command. Raises Unreadable."""
        token = self.take()
        kind = token.kind
        if kind == "number":
            return self.number(token)
        if kind == "name":
            return self._name(token.text)
        if kind == "constant":
            return Constant(token.text)
        if kind == "set":
            return NamedSet(token.text)
        if kind == "empty":
            return NamedSet("empty")
        if kind == "dots":
            return Apply("dots", ())  # without a value: it equals only itself
        if kind == "numeral":
            digits, _, base = token.text.partition("_")
            return numeral(digits, int(base))
        self.enter()
        try:
            return self._compound(token)
        finally:
            self.depth -= 1

    def _compound(self, token: Token) -> Formula:
        kind = token.kind
        if kind in OPENING:
            return self._bracketed(kind)
        if kind in ("|", "left|"):
            return self._absolute_value(kind)
        if kind == "frac":
            return self._fraction()
        if kind == "binom":
            return Apply("binom", (self._argument(), self._argument()))
        if kind == "sqrt":
            return self._root()
        if kind == "function":
            return self._function(token.text)
        if kind == "begin":
            return self._matrix(token.text)
        self.position -= 1
        raise self.lost()

    def _absolute_value(self, bar: str) -> Formula:
        if bar == "|" and self._bars:
            raise Unreadable("bars inside bars do not say which ones belong together")
        bars, self._bars = self._bars, int(bar == "|")
        inner = self.read_sum()
        self._bars = bars
        self.expect({"|": "|", "left|": "right|"}[bar])
        return Apply("abs", (inner,))

    def _fraction(self) -> Formula:
        start = self.position
        top, bottom = self._argument(), self._argument()
        over, under = self._upright(start)
        if over.startswith("d") and _DIFFERENTIAL.fullmatch(under):
            # A derivative is no quotient of products: `dy/dx` is a name, `d/dx` an operator.
            if len(over) == 1 or over[1:].isdigit():
                raise Unreadable("derivatives are not computed here")
            return Variable(f"{over}/{under}")
        return self.fraction(top, bottom)

    def _upright(self, start: int) -> tuple[str, str]:
        """The texts of the two arguments from `start` on, without braces and signs of powers."""
        texts, depth = ["", ""], 0
        which = 0
        for token in self._tokens[start : self.position]:
            depth += {"{": 1, "}": -1}.get(token.kind, 0)
            if token.kind not in ("{", "}", "^"):
                texts[which] += token.text
            if depth == 0 and which == 0:
                which = 1
        return texts[0], texts[1]

    def _name(self, name: str) -> Formula:
        start = self.position - 1
        if self.next.kind == "_":
            self.take()
            name += "_" + self._subscript()
        elif name == "e" or name == "i":
            return Constant(name)
        while self.next.kind == "'":
            self.take()
            name += "'"
        if name in _OPAQUE and [one.text for one in self._tokens[start + 1 : start + 7]] == _INVERSE:
            self.position += len(_INVERSE) - 1
            name += "'-1"
        if self.next.kind == "(" and (not self.next.spaced or name in _OPAQUE):
            return self._named_function(name, start)
        return Variable(name)

    def _named_function(self, name: str, start: int) -> Formula:
        """A letter before a bracket: a name such as `f(2)` in `f(2) = 6`, a function, or a factor."""
        end = self._closing_bracket()
        inside = self._tokens[self.position + 1 : end]
        named = end + 1 < len(self._tokens) and self._tokens[end + 1].kind == "="
        simple = all(token.kind in ("name", "number", ",", "-") for token in inside)
        before = self._tokens[start - 1].kind if start else ","
        first = before in _BEFORE_NAMES
        # `2x = f(x)`, but not `y = f(x)`, says what a function is.
        last = before == "=" and start > 2 and end + 1 == len(self._tokens)
        is_call = _is_argument(inside) and inside[0].text != name
        states = any(token.kind == "=" for token in inside)  # as in `P(X = 2)`
        if last and name in _OPAQUE and _is_argument(inside):
            self.position = end + 1
            return Variable(f"{name}({inside[0].text})")
        by_name = name in _FUNCTIONS_BY_NAME or name.endswith("'-1")
        if named and first and (by_name or states or (simple and (name != "x" or is_call))):
            self.position = end + 1
            return Variable(name + "(" + "".join(token.text for token in inside) + ")")
        if start == 0 and name.isupper() and any(token.kind == "," for token in inside):
            self.take()
            return self._bracketed("(")  # a point with its name, as in `P(3, 4)`
        if name in _OPAQUE or "'" in name or _is_argument(inside):
            self.take()
            self.enter()
            inner = self._bracketed("(")
            self.depth -= 1
            return call(name, inner.items if isinstance(inner, Items) else (inner,))
        return Variable(name)

    def _closing_bracket(self) -> int:
        """Where the bracket that opens here closes; the end if it does not."""
        depth = 0
        for place in range(self.position, len(self._tokens)):
            depth += {"(": 1, ")": -1}.get(self._tokens[place].kind, 0)
            if depth == 0:
                return place
        return len(self._tokens)

    def _subscript(self) -> str:
        if self.next.kind != "{":
            return self.take().text
        self.take()
        parts = []
        while self.next.kind not in ("}", END.kind):
            parts.append(self.take().text)
        self.expect("}")
        return "".join(parts)

    def _bracketed(self, left: str) -> Formula:
        if self.next.kind in _CLOSING[left] and left in ("\\{", "{"):
            self.take()
            return NamedSet("empty")
        # In braces a bar after something is that of a set-builder.
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
        """The elements of a set-builder: what its condition says of its variable. Raises Unreadable."""
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
        """Of a LaTeX command: a group or one token."""
        if self.next.kind == "{":
            self.take()
            return self._bracketed("{")
        return self.read_atom()

    def _root(self) -> Formula:
        if self.next.kind == "[":
            self.take()
            degree = self.read_sum()
            self.expect("]")
            return Apply("root", (self._argument(), degree))
        return Apply("sqrt", (self._argument(),))

    def _function(self, name: str) -> Formula:
        name = _ALIASES.get(name, name)
        base: Formula | None = None
        power: Formula | None = None
        while self.next.kind in ("^", "_"):
            if self.take().kind == "^":
                power = self.read_exponent()
            else:
                base = self._argument()
        if power == Number(Fraction(-1)) and name in _ARC:
            name, power = "arc" + name, None
            name = {"arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh"}.get(name, name)
        arguments = self._function_arguments()
        if base is not None:
            if name != "log" or len(arguments) != 1:
                raise self.lost()
            name, arguments = "log_base", (*arguments, base)
        if name == "exp":
            name, arguments = "pow", (Constant("e"), *arguments)
        formula: Formula = Apply(name, arguments)
        return formula if power is None else Apply("pow", (formula, power))

    def _function_arguments(self) -> tuple[Formula, ...]:
        if self.next.kind in ("(", "{", "["):
            inner = self._bracketed(self.take().kind)
            return inner.items if isinstance(inner, Items) else (inner,)
        if self.next.kind == "-":
            self.take()
            return (negative(self.read_power()),)
        argument = self.read_power()
        while self.next.kind in _CONTINUES_ARGUMENT:
            argument = self.read_product(argument)
        return (argument,)

    def _determinant(self) -> Formula:
        matrix = self._matrix("matrix")
        assert isinstance(matrix, Matrix)
        if len(matrix.rows) != len(matrix.rows[0]) or len(matrix.rows) > 4:
            raise self.lost()
        return determinant(matrix.rows)

    def _cases(self) -> Formula:
        """A function by cases, or a system of equations, which is a list."""
        rows: list[tuple[Formula, Formula | None]] = []
        while self.next.kind != "end":
            value = self.read_chain()
            rows.append((value, self._condition()))
            while self.next.kind in ("\\\\", ",", ";"):
                self.take()
        self.take()
        conditions = [condition for _, condition in rows if condition is not None]
        if not conditions and len(rows) > 1:
            return Items(tuple(value for value, _ in rows))
        if len(conditions) < len(rows) or not rows:
            raise self.lost()
        return Cases(
            tuple((value, condition) for (value, _), condition in zip(rows, conditions, strict=True))
        )

    def _condition(self) -> Formula | None:
        """What stands behind a value in a row of cases; None if that is nothing."""
        start = self.position
        while self.next.kind in ("&", ",", ";") or self.next.text.lower() in _CONDITIONAL:
            self.take()
        if self.position == start or self.next.kind in ("\\\\", "end"):
            return None
        if self.next.text.lower() in _OTHERWISE:
            self.take()
            return Words("otherwise")
        return self.read_list()

    def _matrix(self, name: str) -> Formula:
        if name == "vmatrix":
            return self._determinant()
        if name == "cases":
            return self._cases()
        if name.rstrip("*") not in ("pmatrix", "bmatrix", "matrix", "array", "Bmatrix", "smallmatrix"):
            raise self.lost()
        rows: list[list[Formula]] = [[]]
        while True:
            rows[-1].append(self.read_chain())
            sign = self.take()
            if sign.kind == "\\\\" and self.next.kind != "end":
                rows.append([])
            elif sign.kind == "\\\\" or sign.kind == "end":
                if sign.kind == "\\\\":
                    self.expect("end")
                break
            elif sign.kind != "&":
                self.position -= 1
                raise self.lost()
        if len({len(row) for row in rows}) != 1:
            raise self.lost()
        return Matrix(tuple(map(tuple, rows)))


def _is_argument(inside: list[Token]) -> bool:
    """Whether there is nothing in brackets but a number or a letter, as in `I(0)` and `x(t)`."""
    return len(inside) == 1 and inside[0].kind in ("number", "name", "constant")
