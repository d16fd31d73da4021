"""Answers in words: yes and no, names, "no solution", numbers such as twenty-five."""

import re

from verifiers.answers.number_words import number_in_words
from verifiers.math.forms.nodes import Formula, Items, NamedSet, Number, Words

_WORD = re.compile(
    r"\\(?:text|mathrm|mbox|textbf|textrm|textit|mathbf)\s*\{((?:[^{}\\]|\\[^a-zA-Z])*+)\}"
)
_ONLY_WORDS = re.compile(r"[A-Za-z' .,!?:;-]++")
_OTHER_WORDS = re.compile(r"[^\W\d_](?:[^\W\d_]|[' .,!?:;-])*+")
_TIME = re.compile(r"(\d{1,2})\s*:\s*(\d\d)\s*(?:\\text\{)?\s*([aApP])\.?[mM]\.?\}?")
_EDGES = " \t\n.,!?:;'\""
_NO_SOLUTION = frozenset(
    (
        "none|no solution|no solutions|no real solution|no real solutions|there is no solution|"
        "there are no solutions|no such number|no such numbers|no such integer|no such integers|"
        "empty set|the empty set|no real roots|no values|no value"
    ).split("|")
)
_DENIES_SOLUTIONS = re.compile(
    r"(?:there (?:is|are) )?no (?:[a-z]+ ){0,2}(?:solutions?|roots?|values?)(?: exists?)?"
)
_UNDEFINED = frozenset(
    (
        "does not exist|dne|undefined|not defined|limit does not exist|the limit does not exist|"
        "is undefined"
    ).split("|")
)
_ALL_REALS = frozenset(
    ["all real numbers", "all reals", "the real numbers", "any real number", "real numbers"]
)
_GLUED = re.compile(r"(?:sin|cos|tan|cot|sec|csc|ln|log)[xyz]")
_SHORT = frozenset(
    (
        "yes no all odd even red man men boy one two six ten sum day may mon tue wed thu fri sat "
        "sun dna rna aa dne"
    ).split()
)


def read_words(text: str) -> Formula | None:
    """Words as an answer, or their meaning; None for a formula or a number."""
    if time := _TIME.fullmatch(text):
        return Words(f"{int(time[1])}:{time[2]} {time[3].lower()}m")
    styled = _WORD.fullmatch(text.strip()) is not None
    text = _WORD.sub(r" \1 ", text).strip(_EDGES)
    if _OTHER_WORDS.fullmatch(text) and not text.isascii():
        return Words(" ".join(text.lower().split()))
    if not _ONLY_WORDS.fullmatch(text):
        return None
    words = " ".join(text.lower().split())
    if words in _NO_SOLUTION or _DENIES_SOLUTIONS.fullmatch(words):
        return NamedSet("empty")
    if words in _UNDEFINED:
        return Words("undefined")
    if (number := number_in_words(words)) is not None:
        return Number(number)
    if not styled and not any(len(word) > 3 or word in _SHORT for word in re.split(r"[^a-z]+", words)):
        return None  # adjacent letters, as in `x - y`
    if len(text) == 1 or _GLUED.fullmatch(text):
        return None
    if "," in text:
        parts = [read_words(part) for part in text.split(",")]
        known = tuple(part for part in parts if isinstance(part, Words))
        return Items(known) if len(known) == len(parts) else None
    if words in _ALL_REALS:
        return NamedSet("R")
    if words.startswith(("pi", "sqrt", "sin ", "cos ", "log ", "ln ")) or words in _FORMULAS:
        return None
    return Words(words)


def read_sentence(text: str) -> Words | None:
    """Words and numbers that form no formula, such as a date; None if they may be one in words."""
    text = " ".join(_WORD.sub(r" \1 ", text).lower().split())
    words = re.findall(r"[a-z]+", text)
    if not _WORDS_AND_NUMBERS.fullmatch(text) or not _IN_FORMULAS.isdisjoint(words):
        return None
    return Words(text.strip(" .,!?:;'\"")) if any(len(word) > 2 for word in words) else None


_WORDS_AND_NUMBERS = re.compile(r"[a-z0-9 .,'\"!?:;&-]++")
_IN_FORMULAS = frozenset(
    (
        "plus minus times over divided by squared cubed sqrt root square cube power pi equals sin "
        "cos tan log ln sum product integral limit exp infinity"
    ).split()
)
_FORMULAS = frozenset(["infinity", "infty"])
