"""The rule `near_duplicates`: drops responses that repeat an earlier one in nearly the same words.

Responses are compared in a normal form: lower case, without white space, Markdown and LaTeX marks,
punctuation and English filler words. Numbers, operators, brackets and words stay.

- Two responses with other numbers or other operators, each counted as often as it occurs, are never
  near-duplicates, however much text they share.
- Else they are if the Jaccard similarity of their sets of word 3-grams is high enough: those that both
  have over those that either has. Where one has fewer than three words, sets of words are compared.

A symbol in a place where it is mostly a mark (`*` around a word, `-` before a line or between words) is
taken for one. The rule knows nothing of what a text means: other words for the same are other words.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.prune.rules import drop
from pipeline.records import Decision, Stage, Trajectory

_OPERAND_BEFORE, _OPERAND_AFTER = r"(?<=[0-9a-z)\]}])", r"(?=[0-9a-z(\[{\\.])"
_REWRITTEN = [
    (re.compile(pattern, re.MULTILINE), by)
    for pattern, by in [
        # Bullets, quotes and headings; numbers of a list; rules and fences.
        (r"^[ \t]*(?:(?:[-*•>]|#+)[ \t]+)+", ""),
        (r"^([ \t]*\d+)\)", r"\1"),
        (r"^[ \t]*(?:[-*_=]{3,}|`{3,}\w*)[ \t]*$", ""),
        # Stars between operands; what is left of them are marks, and no token.
        (rf"{_OPERAND_BEFORE}\*\*{_OPERAND_AFTER}|(?<=\s)\*\*(?=\s)", "^"),
        (rf"{_OPERAND_BEFORE}\*{_OPERAND_AFTER}|(?<=\s)\*(?=\s)", "×"),
        # A dash between words.
        (r"(?<=[^\W\d_]{2})\s*-\s*(?=[^\W\d_]{2})", " "),
        (r"\\(?:times|cdot)(?![a-z])", "×"),
        (r"\\div(?![a-z])", "÷"),
        (r"\\pm(?![a-z])", "±"),
        (r"\\leq?(?![a-z])", "≤"),
        (r"\\geq?(?![a-z])", "≥"),
        (r"\\neq?(?![a-z])", "≠"),
        (r"\\approx(?![a-z])", "≈"),
        (r"\\sqrt(?![a-z])", "√"),
        # LaTeX of looks alone.
        (r"\\(?:left|right|big[lr]?|text(?:bf)?|math(?:rm|bf)|displaystyle|q?quad)(?![a-z])", " "),
        (r"\\[()\[\],;:! ]", " "),
    ]
]
_SAME = str.maketrans({"−": "-", "·": "×", "⋅": "×", "∗": "×", "/": "÷", "’": "'"})
_SCRIPTS = "²³¹¼-¾⁰-₉⅐-⅞"
"""Raised and lowered digits, and fractions, which are numbers of their own."""
_EAST_ASIAN = "぀-ヿ㐀-鿿가-힯"
"""Written without spaces: each character is a word."""
_TOKEN = re.compile(
    rf"\d+(?:\.\d+)?|\.\d+|[{_SCRIPTS}]"
    rf"|[{_EAST_ASIAN}]|[^\W\d_{_SCRIPTS}{_EAST_ASIAN}]+(?:'[^\W\d_]+)*"
    r"|(?<=[\d)])!|(?<=\b[^\W\d_])!"
    r"|[-+×÷^=<>%|±√∀-⋿⨀-⫿()]"
)
_FILLERS = frozenset(
    """ah alright also anyway basically certainly clearly finally great hence hmm indeed just let's
    next now obviously oh ok okay please really simply so sure then therefore thus uh um very well
    yes""".split()
)


@dataclass(frozen=True, slots=True)
class NormalForm:
    """A response as it is compared."""

    words: tuple[str, ...]
    """Numbers, operators and brackets are words too."""
    calculation: tuple[str, ...]
    """Its numbers and operators, sorted."""
    grams: frozenset[int]
    """Hashes of every three words in a row, which are compared faster than the words."""


def normal_form(response: str) -> NormalForm:
    """The response in its normal form; the same for texts that differ in marks and fillers alone."""
    text = response.casefold().translate(_SAME)
    for pattern, by in _REWRITTEN:
        text = pattern.sub(by, text)
    words = tuple(word for word in _TOKEN.findall(text) if word not in _FILLERS)
    return NormalForm(
        words=words,
        calculation=tuple(sorted(word for word in words if not word[0].isalpha() and word not in "()")),
        grams=frozenset(map(hash, zip(words, words[1:], words[2:], strict=False))),
    )


def are_near_duplicates(one: NormalForm, other: NormalForm, least: float) -> bool:
    """Whether two responses are at least so similar, 0 to 1, and calculate with the same symbols."""
    return one.calculation == other.calculation and _similarity(one, other) >= least


def drop_near_duplicates(candidates: Sequence[Trajectory], *, least: float) -> Iterator[Decision]:
    """Drops responses that are near-duplicates of an earlier one that stays."""
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
