"""Reads the final answer out of a response, by one stated rule.

In this order: the last balanced `\\boxed{...}` (or `\\fbox`); what follows the last of the marks
`####` (to the end of the line), "answer is" and "answer:" (to the end of the sentence). Only if asked
for: the last number in the text. An answer is never guessed: without any of these there is none.
"""

import re

_BOX = re.compile(r"\\(?:boxed|fbox)\s*(?=\{)")
_HASHES = re.compile(r"####")
_PHRASE = re.compile(r"\banswer\s*(?:\*\*)?\s*(?:is|:|=)\s*(?:\*\*)?\s*:?", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?;](?:\s|$)|,\s(?!and\b|or\b)(?=[A-Za-z]{2})")
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:/\d+)?")


def extract_answer(response: str, *, last_number: bool = False) -> str | None:
    """The answer as written, without surrounding white space; None where there is none."""
    answer = last_box(response)
    if answer is None:
        answer = _stated(response)
    if answer is None and last_number and (found := _NUMBER.findall(response)):
        answer = found[-1]
    return (answer.strip() or None) if answer is not None else None


def last_box(response: str) -> str | None:
    """The content of the last box whose braces balance."""
    for match in reversed(list(_BOX.finditer(response))):
        content = _balanced(response, match.end())
        if content is not None:
            return content
    return None


def _balanced(text: str, start: int) -> str | None:
    """What stands between the brace at `start` and its partner."""
    depth, position = 0, start
    while position < len(text):
        character = text[position]
        if character == "\\":
            position += 1
        elif character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
            if depth == 0:
                return text[start + 1 : position]
        position += 1
    return None


def _stated(response: str) -> str | None:
    """What the first line with text after the last mark says; None where there is none."""
    marks = [*_HASHES.finditer(response), *_PHRASE.finditer(response)]
    if not marks:
        return None
    last = max(marks, key=lambda mark: mark.end())
    lines = response[last.end() :].strip().splitlines()
    if not lines:
        return None
    return lines[0] if last.re is _HASHES else _first_sentence(lines[0])


def _first_sentence(text: str) -> str:
    text = text.strip()
    if text.startswith("$") and (end := text.find("$", 1)) > 0 and text[1:end].strip():
        return text[: end + 1]
    return _SENTENCE_END.split(text, maxsplit=1)[0].strip().strip("*")
