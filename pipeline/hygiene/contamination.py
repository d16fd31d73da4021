"""Finds problems that are a question of a test set, also with other numbers or in other words.

A question is compared by its pairs of neighbouring words, with numbers masked. A pair that few texts
have weighs more: log(N / n), for n of N texts. Overlap is the weight of the pairs of the question that
stand near each other in the problem, as a fraction of the weight of all its pairs. So a problem that
contains the question among other text overlaps completely, and phrases that every problem has count
little.

- The same answer and the same numbers are evidence as well, the more the rarer they are: with them, a
  smaller overlap is enough. With the same numbers but another answer, a larger one is needed.
- What is shared must be rare enough in total. A question that is like others of its test set ("What
  is # + #?") is found only with its own numbers.
- Unless the answer is the same, the last sentence, which asks, must overlap too; else every problem
  that begins with the same story would be the same question.

Copies of a text, also with other numbers, hardly make it less rare: however often a question has
leaked, it is found. Weights by rarity follow decon (Ai2, https://github.com/allenai/decon), which
compares sequences of words with their numbers; with numbers masked, questions with changed numbers are
found too.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import pairwise
from typing import Self

from pipeline.hygiene.rules import ContaminationRule
from pipeline.hygiene.words import Word, Words, plain

_CANDIDATES = 16
"""Questions that are compared in full: those with the most in common by their rarest pairs."""
_RARE = 0.4
"""A pair is rare if it weighs at least this fraction of a pair that only one text has."""
_LEAST_SHARED = 2.0
"""The rare pairs, numbers and answer that are shared weigh at least this many times as much as a pair
that only one text has."""
_TEMPLATE = 4
"""A question that so many others of its test set are like is one of a template."""
_LEAST_ASKED = 0.3
"""Least overlap of the last sentence, unless a rare answer is the same."""
_OTHER_ANSWER = 0.95
"""Least overlap with the same numbers and another answer."""
_STRETCH = 2
"""The question's pairs are looked for in passages of so many times its length."""
_SENTENCE_END = re.compile(r"[.?!][\s\"')\]]+|[\u3002\uff1f\uff01]")

Pair = tuple[str, str]


class Likeness(StrEnum):
    """How a problem resembles a test's question."""

    SAME = "same"
    """The same text, apart from case and layout."""
    REWORDED = "reworded"
    """Other words, or among other text; the same numbers, if there are any."""
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
    form: tuple[str, ...]
    pairs: frozenset[Pair]
    asked: frozenset[Pair]
    """Those that only the last sentence has."""
    numbers: Counter[str]
    answer: str | None

    @classmethod
    def of(cls, question: Question) -> Self:
        words = Words(question.text)
        ends = [match.end() for match in _SENTENCE_END.finditer(question.text.rstrip()[:-1])]
        last = ends[-1] if ends else 0
        return cls(
            question=question,
            form=words.form,
            pairs=_pairs(words.form),
            asked=_pairs([word.text for word in words.masked if word.start >= last])
            - _pairs([word.text for word in words.masked if word.start < last]),
            numbers=Counter(words.numbers),
            answer=plain_answer(question.answer),
        )


@dataclass(frozen=True, slots=True)
class _Found:
    """The best passage of a problem for a question."""

    overlap: float
    number: int
    start: int
    end: int


class LeakFinder:
    """Questions of test sets, against which problems are compared.

    `count` has to be called for every problem before the first `leak`, because weights depend on how
    many texts have a pair.
    """

    def __init__(self, questions: Iterable[Question], rule: ContaminationRule) -> None:
        self._rule = rule
        self._same: dict[str, _Prepared] = {}
        for question in questions:
            # A question that is in several test sets counts once.
            if text := plain(question.text):
                self._same.setdefault(text, _Prepared.of(question))
        self._questions = list(self._same.values())
        self._having: defaultdict[Pair, list[int]] = defaultdict(list)
        """Pair -> questions that have it."""
        for number, one in enumerate(self._questions):
            for pair in one.pairs:
                self._having[pair].append(number)
        self._num_texts = 0
        self._copies = Counter[int]()
        """Hash of the words of a text -> how many texts have them."""
        self._pairs: defaultdict[Pair, float] = defaultdict(float)
        self._numbers, self._answers = Counter[str](), Counter[str]()
        self._templates: dict[int, bool] = {}
        for one in self._questions:
            self._count(one.form, one.numbers, one.answer)

    def count(self, text: str, answer: str | None) -> None:
        """Counts what a problem has."""
        words = Words(text)
        self._count(words.form, words.numbers, plain_answer(answer))

    def _count(self, form: tuple[str, ...], numbers: Iterable[str], answer: str | None) -> None:
        self._num_texts += 1
        self._copies[hash(form)] += 1
        number = self._copies[hash(form)]
        # So k copies count as 1 + log10(k) texts.
        share = 1.0 if number == 1 else math.log10(number / (number - 1))
        for pair in _pairs(form) & self._having.keys():
            self._pairs[pair] += share
        self._numbers.update(set(numbers))
        self._answers.update([answer] if answer else [])

    @cached_property
    def _most(self) -> float:
        """Weight of what only one text has."""
        return self._weight_of(1)

    @cached_property
    def _weights(self) -> dict[Pair, float]:
        return {pair: self._weight_of(number) for pair, number in self._pairs.items()}

    @cached_property
    def _rare(self) -> frozenset[Pair]:
        least = _RARE * self._most
        return frozenset(pair for pair, weight in self._weights.items() if weight >= least)

    def _weight_of(self, number: float) -> float:
        # One text more than there are, so that even what all texts have weighs a little.
        return math.log((self._num_texts + 1) / min(number, self._num_texts))

    def leak(self, text: str, answer: str | None) -> Leak | None:
        """The question that a problem resembles most; None if it resembles none."""
        if (same := self._same.get(plain(text))) is not None:
            return Leak(
                question=same.question, likeness=Likeness.SAME, overlap=1, start=0, end=len(text)
            )
        words, answer = Words(text), plain_answer(answer)
        found = (
            self._compare(number, words, answer) for number in self._candidates(_pairs(words.form))
        )
        best = max(found, key=lambda one: (one.overlap, -one.number), default=None)
        if best is None or not best.overlap:
            return None
        test = self._questions[best.number]
        has_numbers = test.numbers <= Counter(words.numbers)
        return Leak(
            question=test.question,
            likeness=Likeness.REWORDED if has_numbers else Likeness.NUMBERS_CHANGED,
            overlap=best.overlap,
            start=best.start,
            end=best.end,
        )

    def _candidates(self, pairs: frozenset[Pair]) -> list[int]:
        """The questions that share the rarest pairs."""
        shared: defaultdict[int, list[float]] = defaultdict(list)
        for pair in pairs & self._rare:
            for number in self._having[pair]:
                shared[number].append(self._weights[pair])
        # `fsum` does not depend on the order, which for sets of texts differs between processes.
        sums = {number: math.fsum(weights) for number, weights in shared.items()}
        return sorted(sums, key=lambda number: (-sums[number], number))[:_CANDIDATES]

    def _compare(self, number: int, words: Words, answer: str | None) -> _Found:
        """The overlap with a question; 0 if it is too small, or what is shared is too common."""
        test, nothing = self._questions[number], _Found(0.0, number, 0, 0)
        shared, start, end = _passage(words.masked, test.pairs, _STRETCH * len(test.form))
        same_numbers = self._same_numbers(test, words)
        if not same_numbers and self._is_template(number):
            return nothing
        is_known = answer is not None and test.answer is not None
        is_same = answer is not None and answer == test.answer
        same_answer = self._weight_of(self._answers[answer]) if answer and is_same else 0.0
        evidence = same_answer + same_numbers
        if evidence + self._weight(shared & self._rare) < _LEAST_SHARED * self._most:
            return nothing
        asked = _LEAST_ASKED * (1 - min(1.0, same_answer / self._most))
        if self._weight(shared & test.asked) < asked * self._weight(test.asked):
            return nothing
        least = self._rule.least(min(1.0, evidence / self._most))
        if is_known and not same_answer and test.numbers <= Counter(words.numbers):
            least = max(_OTHER_ANSWER, least)
        overlap = min(1.0, self._weight(shared) / self._weight(test.pairs))
        return _Found(overlap, number, start, end) if overlap >= least else nothing

    def _is_template(self, number: int) -> bool:
        """Whether several questions of its test set are like it, apart from numbers."""
        if number not in self._templates:
            test = self._questions[number]
            alike = (
                self._weight(test.pairs & other.pairs)
                >= self._rule.min_overlap * self._weight(test.pairs)
                for other in map(self._questions.__getitem__, self._candidates(test.pairs))
                if other is not test and other.question.test_set == test.question.test_set
            )
            self._templates[number] = sum(alike) >= _TEMPLATE
        return self._templates[number]

    def _weight(self, pairs: Iterable[Pair]) -> float:
        return math.fsum(map(self._weights.__getitem__, pairs))

    def _same_numbers(self, test: _Prepared, words: Words) -> float:
        """The weight of the question's numbers if the problem has all of them, else 0."""
        if not test.numbers <= Counter(words.numbers):
            return 0.0
        return math.fsum(self._weight_of(self._numbers[number]) for number in test.numbers)


def plain_answer(answer: str | None) -> str | None:
    """An answer as text to compare; None without one."""
    if answer is None:
        return None
    return plain(answer).replace("\\", "").strip("{}") or answer.strip() or None


def _pairs(words: Iterable[str]) -> frozenset[Pair]:
    return frozenset(pairwise(words))


def _passage(
    words: Sequence[Word], pairs: frozenset[Pair], length: int
) -> tuple[frozenset[Pair], int, int]:
    """The pairs of a question in the passage of so many words that has most of them, and its place."""
    places = [
        place for place, (one, other) in enumerate(pairwise(words)) if (one.text, other.text) in pairs
    ]
    best = range(0)
    first = 0
    for last in range(len(places)):
        while places[last] - places[first] >= length:
            first += 1
        if last + 1 - first > len(best):
            best = range(first, last + 1)
    if not best:
        return frozenset(), 0, 0
    inside = [places[number] for number in best]
    shared = frozenset((words[place].text, words[place + 1].text) for place in inside)
    return shared, words[inside[0]].start, words[inside[-1] + 1].end
