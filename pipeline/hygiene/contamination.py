"""Finds problems that are a question of a test set, also with other numbers or in other words.

A question is compared by its pairs of neighbouring words, with numbers masked. A pair that few
texts have weighs more: log(N / n), for n of N texts. Overlap is the weight of the pairs of the test's
question that the problem has too, as a fraction of the weight of all its pairs. So a problem that
contains the question among other text overlaps completely, and phrases that every problem has count
little.

- The same answer and the same numbers are evidence as well, the more the rarer they are: with them, a
  smaller overlap is enough.
- What is shared must be rare enough in total. A question that is like others of the test sets ("What
  is # + #?") is found only with its own numbers.
- Unless the answer is the same, the last sentence, which asks, must overlap too; else every problem
  that begins with the same story would be the same question.

Weights by rarity follow decon (Ai2, https://github.com/allenai/decon), which compares sequences of
words with their numbers; with numbers masked, questions with changed numbers are found too.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from typing import Any

from pipeline.hygiene.rules import ContaminationRule
from pipeline.hygiene.words import Word, Words

_CANDIDATES = 16
"""Questions that are compared in full: those with the most in common by their rarest pairs."""
_RARE = 0.4
"""A pair is rare if it weighs at least this fraction of a pair that only one text has."""
_LEAST_SHARED = 1.5
"""The rare pairs, numbers and answer that are shared weigh at least this many times as much as a pair
that only one text has."""
_TEMPLATE = 2
"""A question that so many others are like is one of a template."""
_LEAST_ASKED = 0.3
"""Least overlap of the last sentence, unless a rare answer is the same."""
_SENTENCE_END = re.compile(r"[.?!\u3002\uff1f\uff01][\s\"')\]]+")

Pair = tuple[str, str]


class Likeness(StrEnum):
    """How a problem resembles a test's question."""

    SAME = "same"
    """The same words and numbers, apart from case, punctuation and layout."""
    REWORDED = "reworded"
    """Other words, or among other text; the same numbers."""
    NUMBERS_CHANGED = "numbers_changed"
    """Other numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question of a test set."""

    test_set: str
    id: str
    text: str
    answer: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """A question that a problem resembles."""

    question: Question
    likeness: Likeness
    overlap: float
    """0 to 1."""
    start: int
    """Where the passage of the problem begins that has the question's words; characters."""
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """A test's question, ready to be compared."""

    question: Question
    words: tuple[str, ...]
    pairs: frozenset[Pair]
    asked: frozenset[Pair]
    """Those that only the last sentence has."""
    numbers: Counter[str]
    answer: str | None
    is_template: bool = False
    """Whether several questions are like it, apart from numbers."""

    @classmethod
    def of(cls, question: Question) -> "_Prepared":
        words = Words(question.text)
        ends = [match.end() for match in _SENTENCE_END.finditer(question.text.rstrip())]
        last = ends[-1] if ends else 0
        return cls(
            question=question,
            words=words.kept,
            pairs=_pairs(words.masked),
            asked=_pairs([word for word in words.masked if word.start >= last])
            - _pairs([word for word in words.masked if word.start < last]),
            numbers=Counter(words.numbers),
            answer=_plain(question.answer),
        )


class LeakFinder:
    """Questions of test sets, against which problems are compared."""

    def __init__(
        self,
        questions: Iterable[Question],
        problems: Iterable[tuple[str, str | None]],
        rule: ContaminationRule,
    ) -> None:
        """Takes the text and answer of all problems: weights depend on how many have a pair."""
        self._rule = rule
        self._questions = [_Prepared.of(question) for question in questions]
        self._same = {one.words: one for one in self._questions if one.words}
        self._having: defaultdict[Pair, list[int]] = defaultdict(list)
        """Pair -> questions that have it."""
        for number, one in enumerate(self._questions):
            for pair in one.pairs:
                self._having[pair].append(number)
        self._weigh(problems)
        self._questions = [self._compared(number) for number in range(len(self._questions))]

    def _weigh(self, problems: Iterable[tuple[str, str | None]]) -> None:
        pairs, numbers, answers = Counter[Pair](), Counter[str](), Counter[str]()
        num_texts = len(self._questions)
        for one in self._questions:
            pairs.update(one.pairs)
            numbers.update(one.numbers.keys())
            answers.update([one.answer] if one.answer else [])
        for text, answer in problems:
            words, num_texts = Words(text), num_texts + 1
            pairs.update(_pairs(words.masked) & self._having.keys())
            numbers.update(set(words.numbers))
            answers.update([plain] if (plain := _plain(answer)) else [])

        def weights(counts: Counter[Any]) -> dict[Any, float]:
            # One text more than there are, so that even what all texts have weighs a little.
            return {key: math.log((num_texts + 1) / number) for key, number in counts.items()}

        self._weights: dict[Pair, float] = weights(pairs)
        self._numbers: dict[str, float] = weights(numbers)
        self._answers: dict[str, float] = weights(answers)
        self._most = math.log(num_texts + 1)
        """Weight of what only one text has."""
        self._rare = {pair for pair, weight in self._weights.items() if weight >= _RARE * self._most}

    def _compared(self, number: int) -> _Prepared:
        """The question, marked as a template if it is one."""
        question, least = self._questions[number], self._rule.min_overlap
        total = self._weight(question.pairs)
        alike = (
            self._weight(question.pairs & self._questions[other].pairs) >= least * total
            for other in self._candidates(question.pairs)
            if other != number
        )
        return replace(question, is_template=sum(alike) >= _TEMPLATE)

    def leak(self, text: str, answer: str | None) -> Leak | None:
        """The question that a problem resembles most; None if it resembles none."""
        words = Words(text)
        if (same := self._same.get(words.kept)) is not None:
            return Leak(
                question=same.question, likeness=Likeness.SAME, overlap=1, start=0, end=len(text)
            )
        pairs, answer = _pairs(words.masked), _plain(answer)
        candidates = self._candidates(pairs)
        overlaps = {number: self._overlap(number, pairs, words, answer) for number in candidates}
        number, overlap = max(overlaps.items(), key=lambda one: one[1], default=(-1, 0.0))
        if not overlap:
            return None
        start, end = _passage(words.masked, self._questions[number].pairs)
        return Leak(
            question=self._questions[number].question,
            likeness=_likeness(words, self._questions[number]),
            overlap=overlap,
            start=start,
            end=end,
        )

    def _candidates(self, pairs: frozenset[Pair]) -> list[int]:
        """The questions that share the rarest pairs."""
        shared: defaultdict[int, float] = defaultdict(float)
        for pair in pairs & self._rare:
            for number in self._having[pair]:
                shared[number] += self._weights[pair]
        return sorted(shared, key=lambda number: (-shared[number], number))[:_CANDIDATES]

    def _overlap(self, number: int, pairs: frozenset[Pair], words: Words, answer: str | None) -> float:
        """The overlap with a question; 0 if it is too small, or what is shared is too common."""
        test, rule = self._questions[number], self._rule
        shared, same_numbers = test.pairs & pairs, self._same_numbers(test, words)
        if test.is_template and not same_numbers:
            return 0.0
        same_answer = self._answers[answer] if answer is not None and answer == test.answer else 0.0
        evidence = same_answer + same_numbers
        if evidence + self._weight(shared & self._rare) < _LEAST_SHARED * self._most:
            return 0.0
        eased = min(1.0, evidence / self._most)
        least = rule.min_overlap - eased * (rule.min_overlap - rule.min_overlap_same_answer)
        asked = _LEAST_ASKED * (1 - min(1.0, same_answer / self._most))
        if self._weight(shared & test.asked) < asked * self._weight(test.asked):
            return 0.0
        overlap = self._weight(shared) / self._weight(test.pairs)
        return overlap if overlap >= least else 0.0

    def _weight(self, pairs: Iterable[Pair]) -> float:
        return sum(map(self._weights.__getitem__, pairs))

    def _same_numbers(self, test: _Prepared, words: Words) -> float:
        """The weight of the question's numbers if the problem has all of them, else 0."""
        if not test.numbers <= Counter(words.numbers):
            return 0.0
        return sum(self._numbers[number] for number in test.numbers)


def _pairs(words: Sequence[Word]) -> frozenset[Pair]:
    return frozenset(pairwise(word.text for word in words))


def _plain(answer: str | None) -> str | None:
    """An answer as text to compare; None without one."""
    if answer is None:
        return None
    return " ".join(Words(answer).kept).replace(",", "") or answer.strip() or None


def _likeness(words: Words, test: _Prepared) -> Likeness:
    return Likeness.REWORDED if test.numbers <= Counter(words.numbers) else Likeness.NUMBERS_CHANGED


def _passage(words: Sequence[Word], pairs: frozenset[Pair]) -> tuple[int, int]:
    """The passage with the most of the question's pairs, less one for each other pair inside it."""
    best = (0, 0, 0)
    gain, first = 0, 0
    for number in range(len(words) - 1):
        if gain <= 0:
            gain, first = 0, number
        gain += 1 if (words[number].text, words[number + 1].text) in pairs else -1
        best = max(best, (gain, -first, number + 1))
    _, first, last = best
    return words[-first].start, words[last].end
