r"""The last box of a text: `\boxed{...}`, `\fbox{...}`.

Braces must balance, and the content must be more than dots or "your answer". Of nested boxes the
innermost counts. A box after "not", "instead of" or "rather than" is not the answer. Boxes separated
only by "and", "or" or commas form one list, which keeps the names before its boxes if they differ:
`x=\boxed{3}` and `y=\boxed{3}` become `x=3, y=3`. A percent or degree sign right after a box belongs to
it.
"""

import re
from typing import NamedTuple

_OPENING = re.compile(r"\\(?:boxed|fbox)\s*+(?=\{)")
_WITHOUT_BRACES = re.compile(r"\\boxed\s++([^\s{}$\\,;.]++)")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_PLACEHOLDER = re.compile(
    r"(?:[\s.\u2026?_$~{}]|\\(?:[^\w{}]|_|(?:[lc]?dots|dotsc|quad|qquad|square|text)\b))*+"
    r"|(?:\\text\s*\{)?\s*+(?:insert\s+)?(?:(?:your|the|my|final)\s+)*answer(?:\s+here)?\s*\}?",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"(?P<styled>\\text(?:bf)?\s*\{)?\s*+(?:the\s+)?(?:final\s+)?answer\s*+(?:is\b\s*+:?|:|=)\s*+(?P<closed>\})?",
    re.IGNORECASE,
)
_DENIAL = re.compile(
    r"(?:\bnot|n't|\binstead\s+of|\brather\s+than)(?:\s+(?:be|equal\s+to))?[\s$*(\[\\]*$", re.IGNORECASE
)
_VARIABLE = r"[A-Za-z](?:_(?:\w|\{\w+\}))?"
_NAME = re.compile(r"(?<![A-Za-z\\+*/-])(?<![+*/-] )([A-Za-z](?:_(?:\w|\{\w+\}))?)\s*=\s*\$?$")
_AND_OR = r"(?:\b(?:and|or|und|oder|et|ou|и|или)\b|和|或|及|与)"
_BETWEEN = re.compile(
    r"(?:[\s$]*(?!(?:and|or|is|are|was|were|not|but|so|to|instead)\b)[a-z]{3,}(?=[\s,]))?"
    rf"(?:[\s$,;&]|\\[,;:! ()\[\]]|\\q?quad|{_AND_OR}|\\text\{{[^{{}}]{{0,30}}\b(?:and|or)\s*\}}"
    rf"|\b{_VARIABLE}(?:\s*[-+*]\s*{_VARIABLE})*\s*=)*+"
)
"""A noun may follow the first box, as in "[1] apple and [2] pears"."""
_SIGN_BEHIND = re.compile(
    r"(?:[\s$]|\\[,;:! )]){0,4}(?:(?P<percent>\\?%|(?:percent|pct|per\s+cent)\b)"
    r"|(?P<degrees>\^\s*\{?\s*\\circ\s*\}?|\u00b0))"
)
_JOINT = re.compile(rf"[,;]|{_AND_OR}")
_MOST_BETWEEN = 40
"""Longest text between two boxes of a list, and before a box to say what it is, in characters."""


class Box(NamedTuple):
    """A box with content; `start` and `end` delimit the whole command."""

    start: int
    content: str
    end: int


class _Span(NamedTuple):
    start: int
    opened: int
    closed: int
    end: int


def last_boxes(text: str) -> Box | None:
    """The last box that is not denied, joined with the preceding boxes of the same list."""
    if "\\boxed" not in text and "\\fbox" not in text:
        return None
    found: list[Box] = []
    # Boxes may nest deeply, so contents are read from the end and only while they form one list.
    for span in reversed(_spans(text)):
        if not (content := _content(text, span)):
            continue
        box = Box(span.start, content, span.end)
        if found and not _belong_together(text, box, found[-1]):
            break
        if found or not _DENIAL.search(_before(text, box)):
            found.append(box)
    if not found:
        return None
    content = _with_sign(text, found[0]) if len(found) == 1 else _list(text, found[::-1])
    return Box(found[-1].start, content, found[0].end)


def _spans(text: str) -> list[_Span]:
    """All boxes, ordered by their starts, so that an inner box follows its outer one."""
    starts = {match.end(): match.start() for match in _OPENING.finditer(text)}
    found = [
        _Span(match.start(), match.start(1), match.end(1), match.end())
        for match in _WITHOUT_BRACES.finditer(text)
        if any(map(str.isdecimal, match[1])) or (len(match[1]) == 1 and match[1] not in "aI(")
    ]
    open_braces: list[int] = []
    for match in _BRACE.finditer(text, min(starts, default=len(text))):
        if match[0] == "{":
            open_braces.append(match.start())
        elif match[0] == "}" and open_braces:
            opened = open_braces.pop()
            if opened in starts:
                found.append(_Span(starts[opened], opened + 1, match.start(), match.end()))
    return sorted(found)


def _content(text: str, span: _Span) -> str:
    """The box's content without a label such as "Answer:"; empty for a placeholder."""
    content = text[span.opened : span.closed].strip()
    if _PLACEHOLDER.fullmatch(content):
        return ""
    if label := _LABEL.match(content):
        styled = label["styled"] if label["styled"] and not label["closed"] else ""
        return styled + content[label.end() :].strip()
    return content


def _with_sign(text: str, box: Box) -> str:
    """The content with the percent or degree sign that follows the box."""
    sign = _SIGN_BEHIND.match(text, box.end)
    if not sign or not box.content[-1:].isdecimal():
        return box.content
    return box.content + (r"\%" if sign["percent"] else r"^\circ")


def _before(text: str, box: Box) -> str:
    return text[max(0, box.start - _MOST_BETWEEN) : box.start]


def _belong_together(text: str, one: Box, other: Box) -> bool:
    if other.start - one.end > _MOST_BETWEEN:
        return False
    between = text[one.end : other.start]
    return _BETWEEN.fullmatch(between) is not None and _JOINT.search(between) is not None


def _list(text: str, boxes: list[Box]) -> str:
    names = [_NAME.search(_before(text, box)) for box in boxes]
    known = [name[1] for name in names if name]
    if len(known) == len(boxes) and len(set(known)) > 1:
        named = zip(known, boxes, strict=True)
        contents = [f"{name}={box.content}" for name, box in named]
    else:
        contents = [box.content for box in boxes]
    # Only a list of different answers can contain one of them twice.
    return ", ".join(contents if len(set(contents)) > 1 else contents[:1])
