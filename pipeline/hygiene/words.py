"""The words of a text with their places, and the same words with numbers masked.

Texts that differ only in case, punctuation, white space or marks of LaTeX and Markdown have the same
words. Operators are words, because `12 + 5` and `12 - 5` are different questions. With numbers masked,
questions that differ only in their numbers have the same words too.
"""

import re
import unicodedata
from functools import cached_property
from typing import NamedTuple

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
_EAST_ASIAN = "぀-ヿ㐀-鿿가-힯"
"""Scripts without spaces: each character is a word."""
_LETTER = rf"[^\W\d_{_EAST_ASIAN}]"
_TOKEN = re.compile(
    r"\d+(?:[.,:/]\d+)*(?:(?:st|nd|rd|th)\b)?|[½¼¾⅓⅔]"
    rf"|\\{_LETTER}+|{_LETTER}+(?:['\u2019]{_LETTER}+)*|[{_EAST_ASIAN}]"
    r"|[+=^<>\u00d7÷≤≥≠√∑∏∫/%]|(?<=[\w)])\*(?=[\w(\\])|(?<=\s)\*(?=\s)"
    r"|(?<=[\d)\s])[-\u2212](?=[\s\d(\\])"
)
_SAME = {"\u00d7": "*", "÷": "/", "\u2212": "-", "\\times": "*", "\\cdot": "*", "\\div": "/"}


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
    def kept(self) -> tuple[str, ...]:
        """The words, with numbers."""
        return tuple(word.text for word in self.words)

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


def _words(text: str) -> list[Word]:
    found = []
    for match in _TOKEN.finditer(text):
        word = match[0]
        word = word.lower() if word.isascii() else unicodedata.normalize("NFKC", word).casefold()
        word = _SAME.get(word, word).removeprefix("\\").replace("\u2019", "'")
        if word and word not in _MARKS:
            found.append(Word(word, match.start(), match.end()))
    return found
