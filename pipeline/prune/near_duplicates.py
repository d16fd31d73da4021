"""The rule `near_duplicates`: drops responses that repeat an earlier one in nearly the same words.

Responses are compared in a normal form: lower case, without white space, Markdown and LaTeX marks,
punctuation and English filler words. Numbers, symbols and words stay.

- Two responses with different calculations are never near-duplicates, regardless of their text. A
  calculation is the sequence of numbers, operators, brackets and other symbols, each number with the
  word after it, usually its unit. English words for small numbers are numbers too.
- Otherwise they are near-duplicates if the Jaccard similarity of their sets of word 3-grams, the size
  of the intersection over that of the union, is high enough. If a response has fewer than three
  words, sets of words are compared.

A symbol counts as a mark in places where it usually is one (`*` around a word, `-` inside a word or
before a line of words). In doubt it is an operator, because keeping two similar responses costs less
than dropping a different one. The rule ignores meaning: synonyms are different words.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.prune.rules import drop
from pipeline.records import Decision, Stage, Trajectory

_OPERAND_BEFORE, _OPERAND_AFTER = r"(?<=[0-9a-z)\]}!%'])", r"(?=[0-9a-z(\[{\\.√-])"
_REWRITTEN = [
    (re.compile(pattern, re.MULTILINE), by)
    for pattern, by in [
        (r"\\\\", " "),
        # Bullets and quotes, but not signs or operators: a word that is not an operand follows.
        (
            r"^[ \t]*(?:[-*•>][ \t]+)+(?=[*_`\"'(]*"
            r"(?:[^\W\d_]{4}|[^\W\d_]{2,3}(?![^\W\d_]|\s*(?:[-+=^×÷<>]|\*[^*\s]))))",
            "",
        ),
        # List numbers; rules and fences.
        (r"^([ \t]*\d+)\)", r"\1."),
        (r"^[ \t]*(?:[-*_=]{3,}|`{3,}\w*)[ \t]*$", ""),
        # Stars between operands; all other stars are marks and produce no token.
        (rf"{_OPERAND_BEFORE}\*\*{_OPERAND_AFTER}|(?<=\s)\*\*(?=\s)", "^"),
        (rf"{_OPERAND_BEFORE}\*{_OPERAND_AFTER}|(?<=\s)\*(?=\s)|(?<=[\d)])\s*\*\s*(?=[\d.])", "×"),
        (r"(?<=[\d)])\s*•\s*(?=[\d(])", "×"),
        # Hyphens, and dashes that are not part of a calculation.
        (r"(?<=[^\W\d_]{3})-(?=[^\W\d_]{3})|(?<=[^\W\d_]{2})\s*—\s*(?=[^\W\d_]{2})", " "),
        ("—", "-"),
        # Brackets around words.
        (r"(?<!\\)\(([^\W\d_]{2,}[^()\[\]]*)\)", r" \1 "),
        (r"!=|\\neq?(?![a-z])", "≠"),
        (r"<=|\\leq?(?![a-z])", "≤"),
        (r">=|\\geq?(?![a-z])", "≥"),
        (r"\\lt(?![a-z])", "<"),
        (r"\\gt(?![a-z])", ">"),
        (r"\\(?:times|cdot)(?![a-z])", "×"),
        (r"\\div(?![a-z])", "÷"),
        (r"\\pm(?![a-z])", "±"),
        (r"\\approx(?![a-z])", "≈"),
        (r"\\sqrt(?![a-z])", "√"),
        (r"\\in(?![a-z])", "∈"),
        (r"\\notin(?![a-z])", "∉"),
        (r"\\[dt]frac(?![a-z])", r"\\frac"),
        # LaTeX that only affects appearance.
        (
            r"\\(?:left|right|big[lr]?|boxed|text(?:bf|it)?|emph|math(?:rm|bf|it)|displaystyle|q?quad)"
            r"(?![a-z])",
            " ",
        ),
        (r"\\[()\[\],;:! ]", " "),
    ]
]
_FULL_WIDTH = {code: unicodedata.normalize("NFKC", chr(code)) for code in range(0xFF01, 0xFF5F)}
_SAME = _FULL_WIDTH | str.maketrans(
    {"·": "×", "⋅": "×", "∗": "×", "⁄": "÷", "/": "÷", "’": "'", "′": "'", "″": "''"}
    # Hyphens, dashes and minus signs, except the em dash, which also separates words.
    | dict.fromkeys("‐‑‒–―−﹘﹣－", "-")
    | {"✕": "×", "✖": "×", "➕": "+", "➖": "-", "➗": "÷"}
    | {"﹢": "+", "﹤": "<", "﹥": ">", "﹦": "=", "﹡": "*", "﹪": "%"}
)
_NUMERALS = "²³¹¼-¾⁰-₎⅐-⅞①-⓿❶-➓"
"""Superscript, subscript and circled digits, and fraction characters: each is a number."""
EAST_ASIAN = "぀-ヿ㐀-鿿가-힯"
"""Scripts without spaces: each character is a word."""
_LETTER = rf"[^\W\d_{_NUMERALS}{EAST_ASIAN}]"
_TOKEN = re.compile(
    rf"\d+(?:\.\d+)?|\.\d+|[{_NUMERALS}]"
    rf"|[{EAST_ASIAN}]|{_LETTER}{{2,}}(?:'{_LETTER}+)*|i'{_LETTER}+|{_LETTER}"
    # Factorials and primes.
    r"|(?<=[\d)])[!']+|(?<=\b[^\W\d_])[!']+"
    # A ratio.
    r"|(?<=\d):(?=\d)|(?<=\d )\:(?= \d)"
    r"|\\[a-z]+|[-+×÷^=<>%|±°€£¥√¬~←-⇿∀-⋿⨀-⫿()\[\]\u0300-\u036f]"
)
_IN_WORDS = frozenset(
    """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred
    thousand million half halves third thirds quarter quarters double twice triple thrice plus minus
    times divided negative squared cubed""".split()
)
"""Numbers and operators."""
_NO_UNITS = frozenset("and are as at but by for is it of or that the to we which with".split())
"""Words after a number that are not its unit."""
_PAUSE = re.compile(r"[.,;:!?\n]")
_FILLERS = frozenset(
    """ah alright also anyway basically certainly clearly finally great hence hmm indeed just let's
    next now obviously oh ok okay please really simply so sure then therefore thus uh um very well
    yes""".split()
)


@dataclass(frozen=True, slots=True)
class NormalForm:
    """The form of a response that is compared."""

    words: tuple[str, ...]
    """Words, including numbers and symbols."""
    calculation: tuple[str, ...]
    """Numbers with their units, operators and other symbols, in order."""
    grams: frozenset[int]
    """Hashes of all 3-grams of words, which are faster to compare than words."""


def normal_form(response: str) -> NormalForm:
    """The response's normal form; texts that differ only in marks and fillers have the same."""
    text = unicodedata.normalize("NFC", response.casefold()).translate(_SAME)
    for pattern, by in _REWRITTEN:
        text = pattern.sub(by, text)
    words = tuple(word for word in _TOKEN.findall(text) if word not in _FILLERS)
    return NormalForm(
        words=words,
        calculation=tuple(_calculation(text)),
        grams=frozenset(map(hash, zip(words, words[1:], words[2:], strict=False))),
    )


def _calculation(text: str) -> Iterator[str]:
    """The numbers and symbols, and the word after each number, usually its unit."""
    end_of_number: int | None = None
    for match in _TOKEN.finditer(text):
        word = match[0]
        if (
            word in _IN_WORDS
            or word.isnumeric()
            or not word[0].isalpha()
            or (
                end_of_number is not None
                and word not in _FILLERS | _NO_UNITS
                and not _PAUSE.search(text, end_of_number, match.start())
            )
        ):
            yield word
        is_number = word in _IN_WORDS or word.isnumeric() or word[-1].isdecimal()
        end_of_number = match.end() if is_number else None


def are_near_duplicates(one: NormalForm, other: NormalForm, least: float) -> bool:
    """Whether two responses have the same calculation and at least this similarity, 0 to 1."""
    return one.calculation == other.calculation and _similarity(one, other) >= least


def drop_near_duplicates(candidates: Sequence[Trajectory], *, least: float) -> Iterator[Decision]:
    """Drops near-duplicates of an earlier response that stays."""
    kept: defaultdict[tuple[str, ...], list[tuple[int, NormalForm]]] = defaultdict(list)
    for trajectory in candidates:
        form = normal_form(trajectory.response)
        alike = kept[form.calculation]
        similar = (leaf for leaf, other in alike if are_near_duplicates(form, other, least))
        if (first := next(similar, None)) is None:
            alike.append((trajectory.leaf, form))
        else:
            yield drop(trajectory, Stage.NEAR_DUPLICATE, f"nearly the same text as leaf {first}")


def _similarity(one: NormalForm, other: NormalForm) -> float:
    by_grams = min(len(one.words), len(other.words)) >= 3
    a: frozenset[int | str] = one.grams if by_grams else frozenset(one.words)
    b: frozenset[int | str] = other.grams if by_grams else frozenset(other.words)
    num_shared = len(a & b)
    num_all = len(a) + len(b) - num_shared
    return num_shared / num_all if num_all else 1.0
