"""Answers with several parts: a list on separate lines, labelled parts, names on separate lines.

Markers such as "-", "1." and "(a)" are not part of an answer; the items together form one answer.
"""

import re

from verifiers.answers.extent import first_sentence, is_bare_value, is_named_value, looks_like_answer

_ITEM = re.compile(
    r"[ \t]*+(?P<mark>[-*+\u2022\u25cf\u2023]|\(?(?P<label>\d{1,2}|[a-z]|[ivx]{1,4})[.)])"
    r"[ \t]++(?P<item>\S[^\n]*+)(?:\n|$)"
)
_FIRST_LABELS = ("1", "a", "i")
_BLANK_LINE = re.compile(r"[ \t]*+\n(?=[ \t]*+\S)")
_MOST_ITEMS = 50
_MOST_WORDS = 3
"""Longest item that counts as a name, in characters."""
_INNER_LABEL = re.compile(r"(?:^|(?<=[\s;,]))\(([1-9a-i])\)\s*+")
_LABELS = ("123456789", "abcdefghi")
_SURROUNDINGS = " \t*_`"


def list_on_lines(text: str) -> str | None:
    """The items of a list at the start of a text, as one answer; None without such a list.

    A single numbered item is a list only if it is just a value: "1. First we add" states no answer.
    """
    items, numbered = _items(text.lstrip("\n"))
    if not items or (len(items) == 1 and numbered and not is_bare_value(items[0])):
        return None
    if len(items) == 1 and _INNER_LABEL.search(items[0]):
        return None
    answers = [first_sentence(item) for item in items]
    if not looks_like_answer(answers[0]) and len(answers[0].split()) > _MOST_WORDS:
        return None
    return ("; " if any("," in one for one in answers) else ", ").join(filter(None, answers))


def without_inner_labels(answer: str) -> str:
    """The parts of "(1) 5; (2) 10" without their labels; any other answer unchanged."""
    labels = _INNER_LABEL.findall(answer)
    in_order = any(known.startswith("".join(labels)) for known in _LABELS)
    if len(labels) < 2 or not answer.startswith("(") or not in_order:
        return answer
    parts = [part.strip(" ;,.") for part in _INNER_LABEL.split(answer)[2::2]]
    return "; ".join(parts) if all(map(looks_like_answer, parts)) else answer


def with_more_names(answer: str, text: str) -> str:
    """The answer `x = 1` at the start of a text, extended by the named values on the next lines."""
    if not is_named_value(answer):
        return answer
    values = [answer]
    for line in text.lstrip().split("\n", _MOST_ITEMS)[1:]:
        value = line.strip(_SURROUNDINGS).rstrip(",;.")
        if not is_named_value(value) or _name(value) in map(_name, values):
            break
        values.append(value)
    return ", ".join(values)


def _name(value: str) -> str:
    return value.split("=", 1)[0].strip(" $*\\([")


def _items(text: str) -> tuple[list[str], bool]:
    """The items of the list at the start of a text, and whether they are numbered."""
    items: list[str] = []
    at, kind = 0, ""
    while len(items) < _MOST_ITEMS and (match := _ITEM.match(text, at)):
        label = match["label"]
        if label and not items and label not in _FIRST_LABELS:
            break
        mark = "label" if label else match["mark"]
        if items and mark != kind:
            break
        kind = mark
        items.append(match["item"].strip(_SURROUNDINGS))
        at = match.end()
        if blank := _BLANK_LINE.match(text, at):
            at = blank.end()
    return items, kind == "label"
