"""The calculations of a worked solution, in marks such as GSM8K's `<<48/2=24>>` or as they are written.

An expression has numbers, `+`, `-`, `*`, `/` and brackets, and its value is exact. Whatever else it
has, such as an unknown, is an error: a solution that is read in part gives no template.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

_MARKED = re.compile(r"<<([^<>]*)>>")
_VALUE = re.compile(r"=\s*(-?\$?\s?\d[\d,]*(?:\.\d+)?)")
_BEFORE = re.compile(r"[\d\s$.,()%+\-*/\u00d7\u00f7\u2212x]*$")
_SIGN = re.compile(r"[-+*/\u00d7\u00f7\u2212x]")
_TOKEN = re.compile(r"\s*(?:(\d+(?:,\d{3})+(?:\.\d+)?|\d*\.\d+|\d+)(\s?%)?|([-+*/()]))")
_SIGNS = str.maketrans({"\u00d7": "*", "x": "*", "\u00f7": "/", "\u2212": "-", "$": " "})
_LONGEST = 400
"""Characters of an expression."""
_DEEPEST = 40


class Unreadable(ValueError):
    """It is no arithmetic on numbers alone, or what it says is not so."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number in an expression."""

    value: Fraction


@dataclass(frozen=True, slots=True)
class Operation:
    """Two operands and a sign."""

    sign: str
    """`+`, `-`, `*` or `/`."""
    left: "Expression"
    right: "Expression"


Expression = Number | Operation


@dataclass(frozen=True, slots=True)
class Calculation:
    """An expression and the value that the solution gives it, which is right."""

    expression: Expression
    result: Fraction


def read_calculations(worked: str) -> list[Calculation]:
    """The calculations of a solution, in order: those in marks, or else those in its text.

    Raises Unreadable for one that cannot be read, or that is wrong.
    """
    marked = _MARKED.findall(worked)
    return [_calculation(pair) for pair in ([one.split("=") for one in marked] or _written(worked))]


def read_number(text: str) -> Fraction | None:
    """The number that a text is, with or without commas and `$`; None if it is none, or longer than any
    expression."""
    plain = text.strip().replace(",", "").replace("$", "").strip()
    if len(plain) > _LONGEST or re.fullmatch(r"-?(?:\d+(?:\.\d+)?|\.\d+)", plain, re.ASCII) is None:
        return None
    return Fraction(plain)


def literals(expression: Expression) -> Iterator[Fraction]:
    """The numbers of an expression, from left to right."""
    if isinstance(expression, Number):
        yield expression.value
    else:
        yield from literals(expression.left)
        yield from literals(expression.right)


def evaluate(
    expression: Expression, numbers: Iterator[Fraction], see: Callable[[Fraction], None]
) -> Fraction:
    """The value with other numbers in the place of its own; `see` gets the value of every operation,
    from the inside. Raises ZeroDivisionError."""
    if isinstance(expression, Number):
        return next(numbers)
    left = evaluate(expression.left, numbers, see)
    right = evaluate(expression.right, numbers, see)
    value = apply(expression.sign, left, right)
    see(value)
    return value


def apply(sign: str, left: Fraction, right: Fraction) -> Fraction:
    """The value of an operation. Raises ZeroDivisionError."""
    if sign == "+":
        return left + right
    if sign == "-":
        return left - right
    return left * right if sign == "*" else left / right


def _written(worked: str) -> Iterator[list[str]]:
    """Expressions before a sign of equality, with the number after it. Raises Unreadable for a number
    after such a sign that no expression gives."""
    for line in worked.splitlines():
        for match in _VALUE.finditer(line):
            before = _BEFORE.search(line[max(0, match.start() - _LONGEST) : match.start()])
            expression = before[0].strip(" .,") if before else ""
            if not any(c.isdigit() for c in expression) or not _SIGN.search(expression):
                raise Unreadable(f"expected a calculation before {match[0]}")
            yield [expression, match[1].rstrip(",")]


def _calculation(pair: list[str]) -> Calculation:
    if len(pair) != 2 or len(pair[0]) > _LONGEST:
        raise Unreadable("expected an expression and its value")
    expression = _Reader(pair[0].translate(_SIGNS)).read()
    stated = read_number(pair[1])
    try:
        value = evaluate(expression, literals(expression), lambda _: None)
    except ZeroDivisionError as e:
        raise Unreadable("division by zero") from e
    if stated is None or value != stated:
        raise Unreadable(f"expected {pair[0]} to be {pair[1]} exactly")
    return Calculation(expression, value)


class _Reader:
    """Reads one expression by recursive descent."""

    def __init__(self, text: str) -> None:
        self._tokens: list[Fraction | str] = []
        end = 0
        text = text.rstrip()
        while end < len(text):
            match = _TOKEN.match(text, end)
            if match is None:
                raise Unreadable(f"expected arithmetic, got {text!r}")
            if match[1] is None:
                self._tokens.append(match[3])
            else:
                value = Fraction(match[1].replace(",", ""))
                self._tokens.append(value / 100 if match[2] else value)
            end = match.end()
        self._at = 0

    def read(self) -> Expression:
        """The whole expression. Raises Unreadable."""
        found = self._sum(0)
        if self._at != len(self._tokens):
            raise Unreadable("expected one expression")
        return found

    def _sum(self, depth: int) -> Expression:
        return self._chain("+-", lambda: self._chain("*/", lambda: self._atom(depth)))

    def _chain(self, signs: str, operand: Callable[[], Expression]) -> Expression:
        found = operand()
        while isinstance(sign := self._peek(), str) and sign in signs:
            self._at += 1
            found = Operation(sign, found, operand())
        return found

    def _atom(self, depth: int) -> Expression:
        token = self._peek()
        self._at += 1
        if isinstance(token, Fraction):
            return Number(token)
        if token != "(" or depth > _DEEPEST:
            raise Unreadable("expected a number or a bracket")
        inside = self._sum(depth + 1)
        if self._peek() != ")":
            raise Unreadable("expected a closing bracket")
        self._at += 1
        return inside

    def _peek(self) -> Fraction | str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None
