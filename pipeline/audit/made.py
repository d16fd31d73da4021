"""Answers that are known to be right or wrong, and what they are made of."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from pipeline.records import Problem
from verifiers import Target

EMPTY, REFUSAL, REPEATED = "empty", "refusal", "prompt_repeated"
_REFUSAL = "I am sorry, but I will not help with this."
_TURN_END = re.compile(r"<[|\uff5c]|</s>|<(?:end_of_turn|eos|eos_token|eoa)>")
"""A special token: a verifier may ignore what comes after it."""
_SPEAKS_OF_NOTHING = re.compile(r"\b(?:no|not|none|never|nothing|cannot|sorry|undefined)\b", re.I)


class Known(StrEnum):
    """What is known of an answer."""

    RIGHT = "right"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A response that was made by rule."""

    rule: str
    known: Known
    response: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A problem to make answers for."""

    problem: Problem
    passing: str | None = None
    """A stored response that passed; None without one."""
    others: tuple[Target, ...] = field(default=())
    """Targets of other problems."""

    @property
    def gold(self) -> str:
        """The gold answer, without white space around it; empty without one."""
        return (self.problem.target.value or "").strip()

    @property
    def finished(self) -> str | None:
        """`passing`, if text after it is still a part of the response."""
        text = self.passing
        if text is None or _TURN_END.search(text) or text.count("```") % 2:
            return None
        return None if text.count("<think>") > text.count("</think>") else text


def right(forms: Iterable[tuple[str, str]]) -> Iterator[Made]:
    """Right answers from their rules and responses."""
    for rule, response in forms:
        yield Made(rule=rule, known=Known.RIGHT, response=response)


def wrong(forms: Iterable[tuple[str, str]]) -> Iterator[Made]:
    """Wrong answers from their rules and responses."""
    for rule, response in forms:
        yield Made(rule=rule, known=Known.WRONG, response=response)


def no_answers(source: Source, gold: str) -> Iterator[tuple[str, str]]:
    """Responses that answer nothing. A gold answer that itself speaks of nothing has only some of them,
    and a prompt that may have the gold answer in it is not repeated."""
    yield EMPTY, ""
    if not _SPEAKS_OF_NOTHING.search(gold):
        yield REFUSAL, _REFUSAL
    prompt = source.problem.prompt
    is_sentence = len(re.findall(r"[^\W\d_]{2,}", prompt)) >= 3
    if is_sentence and gold and gold.casefold() not in prompt.casefold():
        yield REPEATED, prompt
