"""Finds the formulas in a problem's text, and those that it asks to work out.

Formulas are found without delimiters too ("Simplify 6/8", "What is 3 plus 4?"): a formula is a run of
numbers, signs, commands and single letters between words. Unreadable runs are left out.
"""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from verifiers.math.asked.as_written import (
    is_fraction,
    parts_of,
    read_as_written,
    without_sign,
)
from verifiers.math.forms.nodes import Apply, Formula, Number, Quantity, Unreadable
from verifiers.math.forms.units import find_unit
from verifiers.math.reading.notation import FORMULA_SIGNS
from verifiers.math.reading.tokens import FUNCTIONS

_MOST_CHARACTERS = 20_000
_MOST_RUNS = 300
_LONGEST_RUN = 1000
_MOST_BEFORE = 80
"""Characters before a formula that decide whether it is asked for."""
_GAP = "\0"

_OPERAND = (
    r"((?<![\d.,/])-?\\?\$?\d[\d,]*+(?:\.\d++)?+(?:/\d++)?+%?\$?|\$[^$\n]{1,60}\$"
    r"|\\\([^()\n]{1,60}\\\)|\\frac\{\d+\}\{\d+\})"
)
_SAID = tuple(
    (re.compile(pattern.replace("#", _OPERAND), re.IGNORECASE), formula)
    for pattern, formula in (
        (r"\bproduct\s+of\s+#\s+and\s+#", r"(\1)\\times(\2)"),
        (r"\bsum\s+of\s+#\s+and\s+#", r"(\1)+(\2)"),
        (r"\bdifference\s+(?:of|between)\s+#\s+and\s+#", r"(\1)-(\2)"),
        (r"\bquotient\s+of\s+#\s+and\s+#", r"(\1)/(\2)"),
        (r"#\s+(?:times|multiplied\s+by)\s+#", r"(\1)\\times(\2)"),
        (r"\bmultiply\s+#\s+(?:by|and|with)\s+#", r"compute (\1)\\times(\2)"),
        (r"#\s+plus\s+#", r"(\1)+(\2)"),
        (r"\badd\s+#\s+(?:to|and)\s+#", r"compute (\1)+(\2)"),
        (r"#\s+minus\s+#", r"(\1)-(\2)"),
        (r"\bsubtract\s+#\s+from\s+#", r"compute (\2)-(\1)"),
        (r"#\s+divided\s+by\s+#", r"(\1)/(\2)"),
        (r"\bdivide\s+#\s+by\s+#", r"compute (\1)/(\2)"),
        (r"#\s*(?:%|\\%|percent)\s+of\s+#", r"(\1\\%)\\times(\2)"),
        (r"\b(?:positive\s+|principal\s+)?square\s+root\s+of\s+#", r"\\sqrt{\1}"),
        (r"\bcube\s+root\s+of\s+#", r"\\sqrt[3]{\1}"),
        (r"\bsquare\s+of\s+#", r"(\1)^2"),
        (r"\bcube\s+of\s+#", r"(\1)^3"),
        (r"#\s+squared\b", r"(\1)^2"),
        (r"#\s+cubed\b", r"(\1)^3"),
        (r"#\s+(?:raised\s+)?to\s+the\s+(?:power\s+(?:of\s+)?)#", r"(\1)^{\2}"),
        (r"#\s+(?:raised\s+)?to\s+the\s+#(?:st|nd|rd|th)(?:\s+power)?", r"(\1)^{\2}"),
        (r"#\s+factorial\b", r"(\1)!"),
        (r"\bfactorial\s+of\s+#", r"(\1)!"),
        (r"#\s+choose\s+#", r"\\binom{\1}{\2}"),
        (r"\b(?:greatest\s+common\s+(?:divisor|factor)|highest\s+common\s+factor|gcd|gcf|hcf)"
         r"(?:\s+\(\w+\))?\s+of\s+#\s+and\s+#", r"\\gcd(\1,\2)"),
        (r"\b(?:least|lowest)\s+common\s+multiple(?:\s+\(\w+\))?\s+of\s+#\s+and\s+#", r"\\lcm(\1,\2)"),
        (r"\blcm\s+of\s+#\s+and\s+#", r"\\lcm(\1,\2)"),
        (r"\babsolute\s+value\s+of\s+#", r"|\1|"),
        (r"\b(sin|cos|tan)(?:e|gent)?\s+of\s+#\s*(?:degrees|°|\^\\circ)", r"\\\1(\2^\\circ)"),
        (r"\b(sin|cos|tan)(?:e|gent)?\s+of\s+#", r"\\\1(\2)"),
        (r"\bnatural\s+log(?:arithm)?\s+of\s+#", r"\\ln(\1)"),
        (r"\blog(?:arithm)?\s+base\s+#\s+of\s+#", r"\\log_{\1}(\2)"),
        (r"#\s+of\s+#(?!\w)", r"(\1)\\times(\2)"),
    )
)  # fmt: skip
"""Operations in words, and the formulas for them."""

_TYPED_TIMES = re.compile(r"(?<=\d)\s?[xX]\s?(?=\d)")
_DETERMINANT = re.compile(r"\bdeterminant|\\?\bdet\b", re.IGNORECASE)
_MATRIX = re.compile(r"\\(begin|end)\s*\{[pb]?matrix\}")

_BREAK = re.compile(
    r"\$\$?|\\[()\[\]](?!\s*[,;])|\\(?:begin|end)\s*\{(?:align|equation|gather|multline|document|cases)[a-z]*\*?\}"
    r"|\\q?quad(?![a-zA-Z])|\\(?:text|textbf|mbox|textrm)\s*\{[^{}]*\}|\n\s*\n"
)
_NAMES = "|".join(sorted(FUNCTIONS, key=len, reverse=True))
_SIGNS = "".join(map(re.escape, sorted(FORMULA_SIGNS)))
_PIECE = (
    rf"(?:\d+(?:[.,]\d+)*(?:[eE][+-]?\d+)?|\\(?:begin|end)\s*\{{[a-zA-Z*]+\}}|\\[a-zA-Z]+|\\[^a-zA-Z\s]|[-+*/^=<>()\[\]{{}}|%_&~,°]|[{_SIGNS}]"
    rf"|(?<=[\d)}}a-zA-Z])!|(?<=\d)\s?:\s?(?=\d)|(?<![A-Za-z])(?:{_NAMES}|pi|mod)(?![A-Za-z])"
    r"|(?<![A-Za-z'])(?!(?:[aA]|I)\s+[A-Za-z]{2})[A-Za-z](?![A-Za-z'])"
    r"|(?<=[\d^*/+=_)}])[A-Za-z]{2,3}(?![A-Za-z])|(?<![A-Za-z])[A-Za-z]{2,3}(?=[\^*+=_/]))"
)
_RUN = re.compile(rf"{_PIECE}(?:[ \t\n]*{_PIECE})*")
_UNIT_BEHIND = re.compile(r"\s?\\?(?:text\s*\{)?\s?([A-Za-z]+)")
_EDGES = " \t\n,=~"
_OPEN_ENDS = "+-*/<>^_"
_PIECES = re.compile(r"[,=]|\\q?quad")

_ASKS = re.compile(
    r"(?:\b(?:evaluate|compute|calculate|work\s+out|determine|find|solve|simplify|reduce|convert|express|write"
    r"|change|rewrite|what\s+is|what\s+are|what's|what\u2019s|how\s+much\s+is|expand|factor(?:i[sz]e)?"
    r"|differentiate|integrate|estimate|do|perform)"
    r"(?:\s+(?:completely|fully|out|down|exactly))?"
    r"(?:\s+(?:the|this|following|exact|numerical|decimal|value|values|result|sum|product|quotient|difference"
    r"|expression|fraction|number|power|root|problem|calculation|operation|integral|of|in|simplest|form))*"
    r"\s*:?|(?:problem|question|expression|calculation|value\s+of)\s*:)\s*$",
    re.IGNORECASE,
)
_WAITS = re.compile(r"\s*(?:\?|_+|\.{3}|$)")
_NOTATION = re.compile(
    r"\b(?:convert|express|rewrit|writ|simplif|reduc|change|turn|fraction|percent|decimal|mixed|notation"
    r"|equivalent|radian|form\b)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class AskedFor:
    """Contents of a problem's text, in normal form."""

    parts: frozenset[Formula]
    """Its formulas and all their parts."""
    asked: frozenset[Formula]
    """Whole formulas that it asks to work out, such as `6/8` in "Simplify 6/8"."""
    about_notation: bool
    """Whether it is about how a number is written."""


@functools.lru_cache(maxsize=256)
def read_question(prompt: str) -> AskedFor:
    """Reads a problem's text; the run time is linear in its length."""
    parts: set[Formula] = set()
    asked: set[Formula] = set()
    text = _BREAK.sub(_GAP, _in_signs(prompt[:_MOST_CHARACTERS]))
    for number, run in enumerate(_RUN.finditer(text)):
        if number >= _MOST_RUNS:
            break
        wholes = list(_wholes(text, run))
        for whole in wholes:
            parts.update(parts_of(whole))
        if _is_asked(text, run):
            asked.update(wholes)
    return AskedFor(frozenset(parts), frozenset(asked), _NOTATION.search(prompt) is not None)


def is_plain_number(formula: Formula) -> bool:
    """Whether it is a finished number: whole, decimal, mixed, or a reduced fraction.

    Percentages, prices and counts of things are numbers too; a number in a unit of measurement is not.
    """
    formula = without_sign(formula)
    if isinstance(formula, Quantity) and not formula.unit.measures:
        return is_plain_number(formula.value)
    if isinstance(formula, Apply) and formula.name == "mixed":
        return True
    if is_fraction(formula) and isinstance(formula, Apply):
        top, bottom = formula.args
        assert isinstance(top, Number)
        assert isinstance(bottom, Number)
        return bool(bottom.value) and (top.value / bottom.value).denominator == bottom.value
    return isinstance(formula, Number)


def _in_signs(text: str) -> str:
    """The text with worded operations replaced by formulas, set off by gaps."""
    if _DETERMINANT.search(text):
        text = _MATRIX.sub(r"\\\1{vmatrix}", text)
    text = _TYPED_TIMES.sub(r"\\times ", text)
    for pattern, formula in _SAID:
        text = pattern.sub(functools.partial(_expand, formula), text)
    return text


def _expand(formula: str, match: "re.Match[str]") -> str:
    return f" {match.expand(formula).replace('$', '')} "


def _wholes(text: str, run: "re.Match[str]") -> Iterator[Formula]:
    """Formulas that a run of signs may be: the whole run, the run with its unit, or its pieces."""
    if len(run[0]) > _LONGEST_RUN:
        return
    written = run[0].strip(_EDGES).rstrip(_OPEN_ENDS).strip(_EDGES)
    readings = [written, written.removesuffix("!")]
    unit = _UNIT_BEHIND.match(text, run.end())
    if unit and (found := find_unit(unit[1])) and found.measures:
        readings.append(rf"{written} \text{{{unit[1]}}}")
    found_any = False
    for reading in dict.fromkeys(readings):
        if (formula := _read(reading)) is not None:
            found_any = True
            yield formula
    if not found_any:
        pieces = _PIECES.split(written)
        yield from (
            one for piece in pieces if (one := _read(piece.strip("()[]|" + _EDGES))) is not None
        )


def _read(text: str) -> Formula | None:
    try:
        return read_as_written(text) if text else None
    except Unreadable:
        return None


def _is_asked(text: str, run: "re.Match[str]") -> bool:
    before = text[max(0, run.start() - _MOST_BEFORE) : run.start()].replace(_GAP, " ")
    if _ASKS.search(before):
        return True
    rest = text[run.end() : run.end() + _MOST_BEFORE].replace(_GAP, " ")
    ends_open = run[0].rstrip(" \n\t").endswith("=") and _WAITS.match(rest)
    return bool(ends_open) or (not before.strip() and not rest.strip(" .?!\n"))
