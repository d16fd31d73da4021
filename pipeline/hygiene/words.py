"""The words of a text with their places, and the same words with numbers masked.

Words leave out punctuation and marks of LaTeX and Markdown. With numbers masked, questions that differ
only in their numbers have the same words. `plain` is the stricter form by which two texts are the same:
only white space, case, and marks that never carry meaning are left out.
"""

import re
import unicodedata
from functools import cached_property
from typing import NamedTuple

from pipeline.prune.near_duplicates import EAST_ASIAN

NUMBER = "#"
"""Stands for a number where numbers are masked."""
_NUMBER_WORDS = frozenset(
    """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred
    thousand million billion half halves third thirds fourth fourths fifth fifths quarter quarters
    once twice double doubles triple triples thrice dozen dozens""".split()
)
_MARKS = frozenset(
    """left right big bigl bigr bigg displaystyle text textbf textit mathrm mathbf mathbb quad
    qquad""".split()
)
"""LaTeX commands that only affect appearance."""
_LETTER = rf"[^\W\d_{EAST_ASIAN}]"
_TOKEN = re.compile(
    r"\d+(?:[.,:/]\d+)*(?:(?:st|nd|rd|th)\b)?|[½¼¾⅓⅔]"
    rf"|\\{_LETTER}+|{_LETTER}+(?:['\u2019]{_LETTER}+)*|[{EAST_ASIAN}]"
    r"|[+=^<>\u00d7÷≤≥≠±√∑∏∫\u222a∩→←/%]|(?<=[\w)])\*(?=[\w(\\])|(?<=\s)\*(?=\s)"
    r"|(?<=[\d)\s(=])[-\u2212](?=[\s\d(\\])"
)
_SAME = {"\u00d7": "*", "÷": "/", "\u2212": "-", "\\times": "*", "\\cdot": "*", "\\div": "/"}
_NO_MEANING = re.compile(
    r"\\(?:left|right|displaystyle|[()\[\],;:! ])|\\?\$|\*\*|__|^\s*#+\s|(?<=\w)[,;:](?=\s)|[.?\s]+$"
    r"|(?<=[^\W\d]{2})[!\s]+$",
    re.MULTILINE,
)
"""Marks of LaTeX and Markdown, and punctuation at the end; a `!` after a number is a factorial."""
_STOP = re.compile(r"(?<=[^\W\d]{2})[.?!](?=\s)|(?<=\w)[.?](?=\s)|(?<=\d),(?=\d{3}\b)")
_SPACE = re.compile(r"\s+")


class Word(NamedTuple):
    """One word and its place in the text."""

    text: str
    start: int
    end: int

    @property
    def is_number(self) -> bool:
        """Whether it is a number, in digits or in English words."""
        return self.text[0].isnumeric() or self.text in _NUMBER_WORDS


class Words:
    """The words of a text."""

    def __init__(self, text: str) -> None:
        self.words = tuple(_words(text))

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        """The numbers in order, without commas."""
        return tuple(word.text.replace(",", "") for word in self.words if word.is_number)

    @cached_property
    def masked(self) -> tuple[Word, ...]:
        """The words with NUMBER for each run of numbers."""
        masked: list[Word] = []
        for word in self.words:
            if not word.is_number:
                masked.append(word)
            elif masked and masked[-1].text == NUMBER:
                masked[-1] = Word(NUMBER, masked[-1].start, word.end)
            else:
                masked.append(Word(NUMBER, word.start, word.end))
        return tuple(masked)

    @cached_property
    def form(self) -> tuple[str, ...]:
        """The masked words, without their places."""
        return tuple(word.text for word in self.masked)


def plain(text: str) -> str:
    """The text without what never carries meaning; equal only for texts that say the same."""
    text = unicodedata.normalize("NFKC", text.replace("\u2019", "'")).casefold()
    text = _STOP.sub("", _NO_MEANING.sub("", text.strip()))
    return _SPACE.sub(_space, text)


def _space(found: re.Match[str]) -> str:
    """A space between words and numbers; none next to symbols."""
    text, start, end = found.string, found.start(), found.end()
    is_inside = start > 0 and end < len(text)
    return " " if is_inside and text[start - 1].isalnum() and text[end].isalnum() else ""


def _words(text: str) -> list[Word]:
    found = []
    for match in _TOKEN.finditer(text):
        word = match[0]
        word = word.lower() if word.isascii() else unicodedata.normalize("NFKC", word).casefold()
        word = _SAME.get(word, word).removeprefix("\\").replace("\u2019", "'")
        if word and word not in _MARKS:
            found.append(Word(word, match.start(), match.end()))
    return found
