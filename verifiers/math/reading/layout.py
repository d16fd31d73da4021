r"""The signs of a formula without layout, which can be compared without parsing.

`$g$` and `g`, `\dfrac12` and `\frac{1}{2}`, `\left( x \right)` and `(x)` have the same signs. Nothing
is computed or reordered, so formulas with the same signs are equal regardless of their meaning. In
doubt the signs differ: `x_1 2` and `x_{12}`, `1 2` and `12`, `\mathbb{R}` and `R`, `X` and `x` stay
distinct.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate

from verifiers.math.reading.notation import (
    SPACING,
    ascii_signs,
    halved_backslashes,
    join_thousands,
    without_math_delimiters,
)
from verifiers.math.reading.tokens import FUNCTIONS

_LONGEST_KEPT = 500
_MOST_NESTED = 40
_ENVIRONMENT = r"\\(?:begin|end)\s*\{[a-zA-Z]+\*?\}(?:\s*\[[tbc]\])?(?:\s*\{[clr|\s]*\})?"
_PIECE = re.compile(
    rf"(?P<space>\s+|{SPACING.pattern})|(?P<environment>{_ENVIRONMENT})"
    r"|(?P<row>\\\\(?:\s*\[-?[\d.]+[a-z]{2}\])?)"
    r"|(?P<nothing>\\(?:left|right|middle|[bB]igg?[lrm]?)(?![a-zA-Z])\s*\.)"
    r"|(?P<bar>\\(?:left|right)\s*(?:\||\\vert(?![a-zA-Z]))|\\[lr]vert(?![a-zA-Z]))"
    r"|(?P<command>\\(?:[a-zA-Z]+|.))|(?P<number>\d+(?:\.\d+)?|\.\d+)|(?P<letters>[A-Za-z]+)"
    r"|(?P<sign><=|>=|!=|==|\*\*|\.\.\.|.)",
    re.DOTALL,
)
_LAYOUT = frozenset(
    (
        "displaystyle textstyle scriptstyle limits nolimits mathstrut rm bf it left right middle big "
        "Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr text mathrm mbox textrm textbf "
        "textit mathbf mathit mathsf operatorname hbox textnormal bm boldsymbol textsf texttt emph "
        "mathop"
    ).split()
)
"""Commands that affect only appearance."""
_SAME = {
    "dfrac": r"\frac", "tfrac": r"\frac", "cfrac": r"\frac", "nicefrac": r"\frac",
    "sfrac": r"\frac", "dbinom": r"\binom", "tbinom": r"\binom",
    "le": "<=", "leq": "<=", "leqslant": "<=", "ge": ">=", "geq": ">=", "geqslant": ">=", "lt": "<",
    "gt": ">", "ne": "!=", "neq": "!=", "rightarrow": r"\to", "varnothing": r"\emptyset",
    "ldots": "...",
    "dots": "...", "cdots": "...", "dotsc": "...", "dotsb": "...", "prime": "'", "degree": r"\circ",
    "%": "%", "&": "\\&", "$": "$", "mid": "|", "vert": "|", "colon": ":",
    "lbrace": r"\{", "rbrace": r"\}",
    "lbrack": "[", "rbrack": "]", "lparen": "(", "rparen": ")", "land": r"\wedge", "lor": r"\vee",
    "iff": r"\Leftrightarrow", "implies": r"\Rightarrow", "backslash": r"\setminus", "Vert": r"\|",
    "lVert": r"\|", "rVert": r"\|",
}  # fmt: skip
"""Commands, and the equivalent signs."""
_SAME_SIGNS = {"==": "=", "**": "^"}
_NUM_ARGUMENTS = {"\\frac": 2, "\\binom": 2, "^": 1, "_": 1} | {
    f"\\{name}": 1
    for name in (
        "sqrt overline bar hat widehat tilde widetilde vec overrightarrow dot ddot underline mathbb "
        "mathcal mathfrak mathscr textcircled boxed not"
    ).split()
}
_SHORT = 3
"""Letters that are adjacent variables, with or without spaces; longer runs are words."""
_OPERATIONS = frozenset(["+", "-", "/", r"\pm", r"\mp"])
_ENDING = frozenset(".,;:")
_CLEAR_BARS = 2
"""Bars that pair unambiguously, even without `\\left` and `\\right`."""


class _Nested(ValueError):
    """The braces are nested too deeply."""


def same_signs(gold: str, answer: str) -> bool:
    """Whether two answers differ only in layout."""
    signs = _signs(gold)
    return bool(signs) and signs == _signs(answer)


def _signs(text: str) -> tuple[str, ...]:
    return _remembered(text) if len(text) <= _LONGEST_KEPT else _read(text)


def _read(text: str) -> tuple[str, ...]:
    """The signs in order; empty if they are nested too deeply."""
    text = ascii_signs(halved_backslashes(text.strip().strip("`*").strip()))
    try:
        signs = _Reader(join_thousands(without_math_delimiters(text))).signs()
    except _Nested:
        return ()
    while signs and signs[-1] in _ENDING:
        signs.pop()
    signs = _without_braces_around(signs)
    signs = _with_one_sign_of_conditions(signs)
    num_bars = sum(sign in ("|", "left|", "right|") for sign in signs)
    if num_bars <= _CLEAR_BARS:
        signs = ["|" if sign in ("left|", "right|") else sign for sign in signs]
    return tuple(signs)


def _without_braces_around(signs: list[str]) -> list[str]:
    """The signs without a pair of braces around the whole."""
    while signs[:1] == ["{"]:
        depths = list(accumulate((sign == "{") - (sign == "}") for sign in signs))
        if depths.index(0) < len(signs) - 1:
            break
        signs = signs[1:-1]
    return signs


def _with_one_sign_of_conditions(signs: list[str]) -> list[str]:
    """`{x: x > 2}` as `{x | x > 2}`."""
    depth, found = 0, []
    for sign in signs:
        depth += (sign == r"\{") - (sign == r"\}")
        found.append("|" if sign == ":" and depth == 1 else sign)
    return found


_remembered = lru_cache(maxsize=4096)(_read)


class _Reader:
    """Reads the pieces of a text in order; command arguments get braces, other groups lose them."""

    def __init__(self, text: str) -> None:
        self._pieces = list(_pieces(text))
        self._position = 0
        self._depth = 0

    def signs(self) -> list[str]:
        found = self._until_brace()
        while self._position < len(self._pieces):  # an unmatched closing brace
            self._position += 1
            found += ["}", *self._until_brace()]
        return found

    def _until_brace(self) -> list[str]:
        found: list[str] = []
        while self._position < len(self._pieces) and self._pieces[self._position] != "}":
            found += self._next()
        return found

    def _next(self) -> list[str]:
        """The next piece, with its arguments if it has any."""
        piece = self._pieces[self._position]
        self._position += 1
        if piece != "{" and piece[0] != "\\" and piece not in _NUM_ARGUMENTS:
            return [piece]
        self._depth += 1
        if self._depth > _MOST_NESTED:
            raise _Nested
        found = self._group() if piece == "{" else self._with_arguments(piece)
        self._depth -= 1
        if piece == "{" and not _OPERATIONS.isdisjoint(found):
            return ["{", *found, "}"]  # `{a+b}c` is typeset like `a+bc`, but may be meant as a product
        return found

    def _group(self) -> list[str]:
        """The contents after an opening brace; also takes the closing one."""
        inner = self._until_brace()
        self._position += 1
        return inner

    def _with_arguments(self, command: str) -> list[str]:
        degree = self._degree_of_root() if command == "\\sqrt" else []
        arguments = [self._argument(command) for _ in range(_NUM_ARGUMENTS.get(command, 0))]
        while command not in _NUM_ARGUMENTS and command[1:].isalpha() and self._is_next("{"):
            self._position += 1
            arguments += filter(None, [self._group()])
        if command == "^" and arguments[0] and set(arguments[0]) <= {"'", "\\circ"}:
            return arguments[0]
        return [command, *degree, *(sign for one in arguments for sign in ("{", *one, "}"))]

    def _is_next(self, piece: str) -> bool:
        return self._position < len(self._pieces) and self._pieces[self._position] == piece

    def _degree_of_root(self) -> list[str]:
        if not self._is_next("["):
            return []
        end = self._position
        while end < len(self._pieces) and self._pieces[end] != "]":
            end += 1
        degree = [piece for piece in self._pieces[self._position : end] if piece not in "{}"]
        self._position = end + 1
        return [*degree, "]"]

    def _argument(self, command: str) -> list[str]:
        """A group, a command, or one letter or digit."""
        if self._position >= len(self._pieces) or self._pieces[self._position] == "}":
            return []
        piece = self._pieces[self._position]
        if piece[0] in "{\\" or len(piece) == 1:
            return _without_braces_around(self._next())
        if command in "^_" and piece[0].isdigit():
            self._position += 1
            return ["unbraced", piece]  # `x^10` as typed, or `x^1 0` as typeset
        self._pieces[self._position] = piece[1:]
        return [piece[0]]


def _pieces(text: str) -> Iterator[str]:
    """The pieces of the text, without spaces and styles."""
    for match in _PIECE.finditer(text):
        kind, piece = match.lastgroup, match[0]
        if kind == "command":
            name = piece[1:]
            if name not in _LAYOUT:
                yield _SAME.get(name, piece)
        elif kind == "letters":
            yield from _letters(piece)
        elif kind == "environment":
            yield re.sub(r"\s|\[[tbc]\]|\}\s*\{[clr|\s]*(?=\})", "", piece)
        elif kind == "row":
            yield "\\\\"
        elif kind == "bar":
            yield "left|" if "l" in piece.partition("vert")[0] else "right|"
        elif kind not in ("space", "nothing"):
            yield _SAME_SIGNS.get(piece, piece)


def _letters(run: str) -> Iterator[str]:
    if run in FUNCTIONS or run == "pi":
        yield "\\" + run
    elif len(run) > _SHORT:
        yield run
    else:
        yield from run
