"""Reads the atoms of an answer: numbers, names, brackets, functions, matrices."""

import re
from fractions import Fraction

from verifiers.math.forms.calls import call
from verifiers.math.forms.nodes import (
    Apply,
    Constant,
    Formula,
    Items,
    NamedSet,
    Number,
    Unreadable,
    Variable,
)
from verifiers.math.reading.brackets import OPENING
from verifiers.math.reading.building import divide, negative, numeral
from verifiers.math.reading.cursor import END
from verifiers.math.reading.environments import EnvironmentReader
from verifiers.math.reading.tokens import Token

STARTS_FACTOR = frozenset(
    ["number", "name", "constant", "function", "frac", "sqrt", "binom", "begin"]
) | (OPENING - {"\\{"})
_CONTINUES_ARGUMENT = STARTS_FACTOR - {"function", "(", "["}
_ARC = {"sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh"}
_ALIASES = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "arsinh": "asinh", "arcosh": "acosh"}
_ALIASES |= {"artanh": "atanh", "lg": "log10"}
_FUNCTIONS_BY_NAME = frozenset("f g h F G H P E V p q T phi psi Phi varphi f' g' h' y".split())
"""Letters whose brackets before an equals sign belong to the name, for any content."""
_DIFFERENTIAL = re.compile(r"d(?:[a-zA-Z]|theta|phi|omega|alpha|beta|tau|rho|sigma|lambda)\d*")
_INVERSE = ["^", "{", "-", "1", "}", "("]
_BEFORE_NAMES = frozenset([",", ";", "and", "or", "(", "[", "\\{"])
_OPAQUE = frozenset("f g h zeta phi varphi psi Phi Psi Gamma".split())
"""Letters that are functions before a bracket; their values are unknown."""


class AtomReader(EnvironmentReader):
    """Reads atoms; the rest of the grammar reads what they contain."""

    # Hooks for values computed while reading; `asked/as_written.py` overrides them.

    def number(self, token: Token) -> Formula:
        """The number for a token."""
        assert token.value is not None
        return Number(token.value, token.places)

    def fraction(self, top: Formula, bottom: Formula) -> Formula:
        """A fraction with a bar; a single number if its parts are whole numbers."""
        return divide(top, bottom)

    def read_atom(self) -> Formula:
        """A number, a name, or an expression in brackets or with a command. Raises Unreadable."""
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
            return Apply("dots", ())  # has no value, so it equals only itself
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

    def _fraction(self) -> Formula:
        start = self.position
        top, bottom = self._argument(), self._argument()
        over, under = self._upright(start)
        if over.startswith("d") and _DIFFERENTIAL.fullmatch(under):
            # A derivative is not a quotient of products: `dy/dx` is a name, `d/dx` an operator.
            if len(over) == 1 or over[1:].isdigit():
                raise Unreadable("derivatives are not computed here")
            return Variable(f"{over}/{under}")
        return self.fraction(top, bottom)

    def _upright(self, start: int) -> tuple[str, str]:
        """The texts of the two arguments from `start` on, without braces and power signs."""
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
        # `2x = f(x)` defines a function, `y = f(x)` does not.
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

    def _subscript(self) -> str:
        if self.next.kind != "{":
            return self.take().text
        self.take()
        parts = []
        while self.next.kind not in ("}", END.kind):
            parts.append(self.take().text)
        self.expect("}")
        return "".join(parts)

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


def _is_argument(inside: list[Token]) -> bool:
    """Whether the brackets contain only a number or a letter, as in `I(0)` and `x(t)`."""
    return len(inside) == 1 and inside[0].kind in ("number", "name", "constant")
