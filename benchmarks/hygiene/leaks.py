"""Plants questions of a test set in changed forms, and makes texts that only look like them.

Every function takes a question and a random generator, and gives a text.
"""

import random
import re
from collections.abc import Callable, Sequence

Change = Callable[[str, random.Random], str]

_SENTENCE = re.compile(r"(?<=[.?!])\s+")
_NUMBER = re.compile(r"\d+")
_NAME = re.compile(r"(?<![.?!\"] )(?<!^)\b[A-Z][a-z]{2,}\b")


class Planter:
    """Changes questions of one problem set, with words and problems of the others."""

    def __init__(self, others: Sequence[str]) -> None:
        self._others = others
        self._words = sorted({word for text in others for word in re.findall(r"\b[a-z]{3,}\b", text)})
        self._names = sorted({name for text in others for name in _NAME.findall(text)})
        self.kinds: dict[str, Change] = {
            "unchanged": lambda text, _: text,
            "other layout and case": _layout,
            "among other text": self._embedded,
            "sentences in another order": _reordered,
            "a sentence left out": _shortened,
            "numbers changed": _renumbered,
            "names changed": self._renamed,
            "numbers and names changed": lambda text, draw: self._renamed(
                _renumbered(text, draw), draw
            ),
            "a word in ten replaced": lambda text, draw: self._replaced(text, draw, 0.1),
            "a word in five replaced": lambda text, draw: self._replaced(text, draw, 0.2),
            "numbers changed, a word in ten replaced": lambda text, draw: self._replaced(
                _renumbered(text, draw), draw, 0.1
            ),
        }
        """Name -> how a leak differs from the question."""

    def _embedded(self, text: str, draw: random.Random) -> str:
        example = draw.choice(self._others)
        return f"Work step by step, and put the answer in a box.\n\nExample: {example}\n\nNow: {text}"

    def _renamed(self, text: str, draw: random.Random) -> str:
        for name in sorted({*_NAME.findall(text), *(text.split()[0],)} & set(self._names)):
            text = re.sub(rf"\b{name}\b", draw.choice(self._names), text)
        return text

    def _replaced(self, text: str, draw: random.Random, share: float) -> str:
        words = text.split()
        return " ".join(
            draw.choice(self._words) if word.isalpha() and draw.random() < share else word
            for word in words
        )

    def same_opening(self, text: str, draw: random.Random) -> str:
        """The first half of a question, and the second half of another problem."""
        first, second = _SENTENCE.split(text), _SENTENCE.split(draw.choice(self._others))
        return " ".join([*first[: max(1, len(first) // 2)], *second[-max(1, len(second) // 2) :]])


def _layout(text: str, draw: random.Random) -> str:
    text = _NUMBER.sub(lambda number: f"${number[0]}$", text)
    return f"**Question:** {text.upper() if draw.random() < 0.5 else text}".replace(" ", "  ")


def _reordered(text: str, draw: random.Random) -> str:
    *story, asked = _SENTENCE.split(text)
    draw.shuffle(story)
    return " ".join([*story, asked])


def _shortened(text: str, draw: random.Random) -> str:
    sentences = _SENTENCE.split(text)
    if len(sentences) > 2:
        sentences.pop(draw.randrange(len(sentences) - 1))
    return " ".join(sentences)


def _renumbered(text: str, draw: random.Random) -> str:
    def other(number: re.Match[str]) -> str:
        low = 10 ** (len(number[0]) - 1)
        others = [n for n in range(low, min(10 * low, low + 90)) if str(n) != number[0]]
        return str(draw.choice(others))

    return _NUMBER.sub(other, text)


def template(draw: random.Random) -> str:
    """A question of one of four templates, with numbers of its own."""
    one, other = draw.randint(2, 999), draw.randint(2, 999)
    return draw.choice(
        [
            f"What is {one} + {other}?",
            f"Compute the remainder when {one} is divided by {other}.",
            f"Find the sum of the digits of {one}^{other}.",
            f"The probability that {one} dice sum to {other} is m/n, where m and n are relatively "
            "prime positive integers. Find m + n.",
        ]
    )
