"""Finds the final answer of a response by one fixed rule.

The response is read without special tokens and in common signs (`surface.py`). The last statement
counts, so a correction overrides an earlier box:

    1. a box (`boxes.py`)
    2. a phrase up to the end of its sentence, or the list after it (`phrases.py`); after a box only a
       phrase with something that looks like an answer
    3. after either, the replacement in a correction ("wait, it should be"); an answer that is retracted
       without a replacement does not count (`taken_back.py`)
    4. without any of these: a response that is nothing but an expression, or a formula that "is the
       answer" (`bare.py`)
    5. only on request, and without any of these: the last formula or number

Quotes and remarks around the answer are removed (`trimming.py`). An answer is never guessed: without a
statement there is none, unless `extract="last"` asks for a guess. The run time is linear in the
response's length.
"""

from typing import Literal

from verifiers.answers.bare import bare_answer, last_formula, named_at_last
from verifiers.answers.boxes import last_boxes
from verifiers.answers.phrases import last_correction, last_line_after_hashes, last_phrase
from verifiers.answers.surface import plain_text
from verifiers.answers.taken_back import is_taken_back
from verifiers.answers.trimming import trimmed

Extract = Literal["stated", "last"]
"""`stated` accepts only a stated answer; `last` falls back to the last formula."""


def extract_answer(
    response: str, *, extract: Extract = "stated", last_number: bool = False
) -> str | None:
    """The answer as written, without surrounding white space; None if there is none.

    `last_number` is the older name of `extract="last"`.
    """
    text = plain_text(response)
    answer = _last_statement(text) or bare_answer(text) or named_at_last(text)
    if answer is None and (extract == "last" or last_number):
        answer = last_formula(text)
    return (trimmed(answer) or None) if answer is not None else None


def announced_answer(response: str) -> str | None:
    """The answer in a box or after a phrase; skips the rules for text that has neither."""
    answer = _last_statement(plain_text(response))
    return (trimmed(answer) or None) if answer is not None else None


def last_box(text: str) -> str | None:
    """The content of the last box whose braces balance and that holds more than dots."""
    box = last_boxes(plain_text(text))
    return box.content if box else None


def _last_statement(response: str) -> str | None:
    box = last_boxes(response)
    end = box.end if box else 0
    phrase = last_phrase(response, end, box=box.content if box else None)
    if phrase:
        answer, end = phrase
    elif box:
        answer = box.content
    else:
        return last_line_after_hashes(response)
    if correction := last_correction(response, end):
        return correction
    behind = box.end if box and not phrase else _end_of(answer, response, end)
    return None if behind and is_taken_back(answer, response[behind:]) else answer


def _end_of(answer: str, response: str, start: int) -> int | None:
    """End of an answer that was stated from `start` on; None if it was assembled from parts."""
    at = response.find(answer, start)
    return at + len(answer) if at >= 0 else None
