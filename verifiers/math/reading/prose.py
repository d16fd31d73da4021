"""Numbers in sentences: "she has 5 apples left" states 5, "less than 5" does not."""

import re

from verifiers.answers.number_words import PATTERN, number_in_words
from verifiers.math.forms.nodes import Unreadable
from verifiers.math.reading.notation import plain

_STYLE = re.compile(r"\\(?:text|mathrm|textbf|mbox)\s*\{([^{}\\]*)\}")
_DIGITS = re.compile(r"(?<![\w.,/^\\{-])\$?-?\d[\d,]*(?:\.\d+)?(?![\d/^]|\s*[-+*/^=<>\\:(])")
_IN_WORDS = re.compile(rf"\b{PATTERN}\b", re.IGNORECASE)
_BEFORE = re.compile(r"[A-Za-z' ,]*[\s$]*")
_CHANGING = frozenset(
    (
        "and or not no never neither nor without cannot can't isn't aren't doesn't than less "
        "more fewer over under around nearly almost at least most above below between from "
        "half third quarter twice double triple minus negative plus times divided except "
        "unless before after other another square root cube squared exceeds greater larger "
        "smaller bigger log multiple reciprocal opposite inverse power factor groups "
        "nicht nein kein keine keinen pas ni non sin sino sondern ohne sans senza"
    ).split()
)
"""Words before a number that may make the sentence state a different one."""
_MEASURES = frozenset(
    (
        "total sum average mean cost price area volume length width height perimeter distance "
        "speed age amount profit probability result answer value maximum minimum weight rate"
    ).split()
)
"""Words for the thing that a number after "of" measures."""
_PERCENT = re.compile(r"percent|per\s+cent|\\?%", re.IGNORECASE)
_MOST_BEFORE = 200
_SENTENCE_END = re.compile(r"[.?!](?:\s|$)")
_COUNT_AT_END = re.compile(rf"(?:\d|\b{PATTERN})\$?[\s-]*$", re.IGNORECASE)
_ASKING = re.compile(
    r"\b(?:what|which|how|find|determine|calculate|compute|give|state|express|write)\b", re.IGNORECASE
)
_AS_A = re.compile(r"\b(?:as|in)\s+(?:an?\s+|the\s+nearest\s+)?(?:\w+\s+)?$", re.IGNORECASE)
_NO_NUMBER = re.compile(r"\s+(?:of|that|which|who|can|has|is|way)\b")
"""Text after "one" that makes it a pronoun instead of a number."""
_MOST_WORDS = 30


def asks_for_percentage(question: str) -> bool:
    """Whether the question asks for a percentage: "what is 20% of 50" only mentions one."""
    for match in _PERCENT.finditer(question):
        before = question[max(0, match.start() - _MOST_BEFORE) : match.start()]
        sentence = _SENTENCE_END.split(before)[-1]
        counted = _COUNT_AT_END.search(sentence)
        if not counted and (_ASKING.search(sentence) or _AS_A.search(sentence)):
            return True
    return False


def styles_removed(text: str) -> str:
    """The text with `\\text{...}` and similar commands replaced by their contents."""
    return _STYLE.sub(r" \1 ", text)


def quantity_in(sentence: str) -> str | None:
    """The only number in a sentence, with the text after it; None if the sentence modifies the number.

    Raises Unreadable for a sentence whose numbers were not understood.
    """
    text = styles_removed(plain(sentence)).strip()
    numbers = list(_DIGITS.finditer(text)) or list(_IN_WORDS.finditer(text))
    if not numbers and not re.search(r"\d", text):
        return None
    before = text[: numbers[0].start()] if numbers else ""
    words = re.findall(r"[A-Za-z]+(?:'t)?", before)
    if len(numbers) == 1 and not _CHANGING.isdisjoint(word.lower() for word in words):
        return None
    if not _is_alone(text, numbers) or not _leads_to_number(before, words):
        raise Unreadable("a sentence whose stated number cannot be determined")
    value = number_in_words(numbers[0][0].lower())
    return text[numbers[0].start() :] if value is None else f"{value}{text[numbers[0].end() :]}"


def _is_alone(text: str, numbers: "list[re.Match[str]]") -> bool:
    """Whether the sentence has exactly one number, in digits or in readable words."""
    both = _DIGITS.search(text) and _IN_WORDS.search(text)
    if both or len(numbers) != 1 or len(re.findall(r"\d[\d,.]*", text)) > 1 or "\\" in text:
        return False
    value = number_in_words(numbers[0][0].lower())
    if value is None:
        return re.search(r"\d", numbers[0][0]) is not None
    return value != 1 or not _NO_NUMBER.match(text, numbers[0].end())


def _leads_to_number(before: str, words: list[str]) -> bool:
    """Whether the text before a number is plain words, not the name or size of something else."""
    if words[-1:] and words[-1].lower() == "of" and words[-2:-1] and words[-2].lower() not in _MEASURES:
        return False
    names = any(word[0].isupper() for word in words[1:])
    return not names and len(words) <= _MOST_WORDS and _BEFORE.fullmatch(before) is not None
