"""Where the final answer of a response stands, by one stated rule.

The last statement counts, so a correction wins over an earlier box:

    1. a box (`boxes.py`)
    2. a phrase to the end of its sentence (`phrases.py`); behind a box only one with something
       that looks like an answer
    3. behind either, what a word of correction ("wait, it should be") puts in its place
    4. only if asked for, and without any of these: the last number

An answer is never guessed: without a statement there is none. The time taken is linear in the response.
"""

import re

from verifiers.answers.boxes import last_boxes
from verifiers.answers.phrases import last_correction, last_line_after_hashes, last_phrase

_NUMBER = re.compile(r"-?\$?\d[\d,]*(?:\.\d+)?(?:/\d+)?")


def extract_answer(response: str, *, last_number: bool = False) -> str | None:
    """The answer as written, without surrounding white space; None where there is none."""
    answer = _last_statement(response)
    if answer is None and last_number and (numbers := _NUMBER.findall(response)):
        answer = numbers[-1]
    return (answer.strip() or None) if answer is not None else None


def last_box(text: str) -> str | None:
    """The content of the last box whose braces balance and that holds more than dots."""
    box = last_boxes(text)
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
    return last_correction(response, end) or answer
