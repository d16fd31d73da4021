"""Where the final answer of a response stands, by one stated rule.

Answers are stated by a box (`\\boxed{...}`, `\\fbox{...}`) or by a phrase (`#### `, "the answer is",
"final answer:" and their like, to the end of the sentence). The last statement counts, so a correction
wins over an earlier box. After a box a phrase counts only if something that looks like an answer
follows it; and after a word of correction ("wait", "actually") so do "it should be", "it is". Boxes
that only "and", "or" or commas separate are one list. Only if asked for, and without any of these: the
last number.

An answer is never guessed: without a statement there is none. The time taken is linear in the response.
"""

import re

from verifiers.number_words import PATTERN

_BOX = re.compile(r"\\(?:boxed|fbox)\s*+(?=\{)")
_BARE_BOX = re.compile(r"\\boxed\s*+([^\s{}$\\,;.]++)")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_BETWEEN_BOXES = re.compile(
    r"(?:[\s$,;&]|\\[,;:! ()\[\]]|\\q?quad|\band\b|\bor\b|\\text\{\s*(?:and|or)\s*\}"
    r"|\b[A-Za-z](?:_\w)?\s*=)*+"
)
_MOST_BETWEEN_BOXES = 40

_VERB = r"(?:should\s+(?:be|have\s+been)|must\s+be|would\s+be|will\s+be|is|was|are|equals|=|:)"
_PHRASE = re.compile(
    rf"""\#\#\#\#
    |\b(?:answer|ans|solution)s?\b(?:\s+(?:to|for|of)\s+(?:[\w'"-]+\s+){{1,8}}?(?={_VERB}\s))?
        (?:\s*\([^()]{{0,40}}\))?[\s*_`]*+{_VERB}[\s*_`]*+(?::[\s*_`]*+)?
        (?:(?:now|then|thus|therefore|simply|actually|indeed|clearly|exactly|equal\s+to)\b[\s,:]*+)?""",
    re.IGNORECASE | re.VERBOSE,
)
_HASHES = "####"
_CORRECTION = re.compile(
    r"\b(?:wait|actually|correction|corrected|sorry|oops|hmm|mistake|mistaken|error|wrong|incorrect|not\s+right"
    r"|on\s+second\s+thought|let\s+me\s+(?:re|correct|fix))\w*",
    re.IGNORECASE,
)
_CORRECTED = re.compile(
    r"(?:\b(?:it|this|that|which|result|value|total|sum|product|number|one|[a-zA-Z])\s+(?:should|must|has\s+to)\s+(?:really\s+)?"
    r"(?:be|have\s+been)|\bshould\s+(?:really\s+)?be|\b(?:it|that|this)(?:'s|\s+is)(?:\s+(?:really|actually|in\s+fact|just))?"
    r"|\b(?:actually|correction|sorry|oops|wait|rather)\b(?:\s+no\b)?|\bmeant(?:\s+to\s+(?:say|write))?"
    r"|\b(?:correct|right|true|actual|new)\s+(?:result|value|total|one|number)\s+(?:is|should\s+be))[\s,:;!]*+",
    re.IGNORECASE,
)
_MARKUP = r"[\s*_`$(\[{~]*+"
_AT_THE_END = r"\s*+(?:$|[.,;!*\n]|[a-z]+\b\s*+(?:$|[.,;!]))"
_LOOKS_LIKE_ANSWER = re.compile(
    rf"""{_MARKUP}(?:\\[(\[])?{_MARKUP}(?:\\\{{)?
    (?:[+\-\u2212±]?\s*\$?\s*[\d.]*\d
    |[€£¥₹½⅓⅔¼¾√∞∅π]
    |\\(?!text\b|n\b)[a-zA-Z]+|\\text\s*\{{
    |[A-Za-z](?:_\w+)?\s*(?:[=<>^*/+)\]$.,]|\\|$|\s*$)
    |[+\-\u2212]?[a-z]\b(?=\s*[-+*/^=<>])
    |[A-Z]\b(?!\s+[a-z])
    |\|
    |(?:yes|no|none|true|false|odd|even|undefined|infinity|no\s+(?:real\s+)?solutions?|does\s+not\s+exist
       |dne)\b{_AT_THE_END}
    |{PATTERN.replace(" ", "[ ]")}\b{_AT_THE_END})""",
    re.VERBOSE | re.IGNORECASE,
)
_LOOKS_LIKE_NUMBER = re.compile(
    rf"{_MARKUP}(?:\\[(\[])?{_MARKUP}(?:[+\-\u2212]?\s*[\d.]*\d|\\[a-zA-Z]+|[€£½√π]|{PATTERN}\b{_AT_THE_END})",
    re.IGNORECASE,
)
_MATHS = r"\$\$?(?!\s)[^$\n]*+\$\$?|\\\((?:(?!\\\)).)*+\\\)|\\\[(?:(?!\\\]).)*+\\\]"
_SENTENCE_PART = re.compile(
    rf"""(?P<maths>{_MATHS})
    |(?P<end>[.!?;](?=[\s*_]|$)
        |,\s(?!(?:and|or)\b)(?=[A-Za-z]{{2,}}(?:\s|$))
        |\s(?=(?:because|since|as|which|so|when|after|where|given|assuming|for\s+a\s+total|in\s+total|by)\s)
        |\s(?=[-\u2013\u2014]\s[A-Za-z]{{2}})|\n)""",
    re.VERBOSE | re.DOTALL,
)
_PRICE = re.compile(r"\$\s*\d[\d,]*(?<!,)(?:\.\d+)?(?=\s+[a-zA-Z]|[.,;!?)]*(?:\s|$))")
_NUMBER = re.compile(r"-?\$?\d[\d,]*(?:\.\d+)?(?:/\d+)?")
_SURROUNDINGS = " \t\r\n*_`"
_MOST_PHRASES = 50
"""Phrases after a box that are looked at, from the last."""


def extract_answer(response: str, *, last_number: bool = False) -> str | None:
    """The answer as written, without surrounding white space; None where there is none."""
    box = _last_boxes(response)
    answer = _stated(response, box[1] if box else 0, after_box=box is not None)
    if answer is None and box is not None:
        answer = box[0]
    if answer is None and last_number and (numbers := _NUMBER.findall(response)):
        answer = numbers[-1]
    return (answer.strip() or None) if answer is not None else None


def last_box(text: str) -> str | None:
    """The content of the last box whose braces balance and that is not empty."""
    box = _last_boxes(text)
    return box[0] if box else None


# ------------------------------------------------------------------------------------------- boxes


def _last_boxes(text: str) -> tuple[str, int] | None:
    """The last box, with those before it that belong to the same list, and where it ends."""
    if "\\boxed" not in text and "\\fbox" not in text:
        return None
    boxes = _boxes(text)
    if not boxes:
        return None
    last = len(boxes) - 1
    first = last
    while first and _belong_together(text, boxes[first - 1][2], boxes[first][0]):
        first -= 1
    contents = list(dict.fromkeys(content for _, content, _ in boxes[first:]))
    return ", ".join(contents), boxes[last][2]


def _belong_together(text: str, end: int, start: int) -> bool:
    between = text[end:start]
    if len(between) > _MOST_BETWEEN_BOXES or not _BETWEEN_BOXES.fullmatch(between):
        return False
    return bool(re.search(r",|and|or", between))


def _boxes(text: str) -> list[tuple[int, str, int]]:
    """(start, content, end) of the boxes that balance and have content; innermost where they nest."""
    starts = {match.end(): match.start() for match in _BOX.finditer(text)}
    found: list[tuple[int, str, int]] = []
    open_braces: list[int] = []
    for match in _BRACE.finditer(text, min(starts, default=len(text))):
        if match[0] == "{":
            open_braces.append(match.start())
        elif match[0] == "}" and open_braces:
            opened = open_braces.pop()
            content = text[opened + 1 : match.start()].strip() if opened in starts else ""
            if content:
                found.append((starts[opened], content, match.end()))
    bare = [(m.start(), m[1], m.end()) for m in _BARE_BOX.finditer(text)]
    return sorted(found + bare)


# ----------------------------------------------------------------------------------------- phrases


def _stated(response: str, start: int, *, after_box: bool) -> str | None:
    """What the last phrase from `start` on states; None where there is none."""
    marks = list(_PHRASE.finditer(response, start))
    for mark in reversed(marks[-_MOST_PHRASES:]):
        rest = response[mark.end() : mark.end() + _MOST_ANSWER]
        answer = _line(rest) if mark[0] == _HASHES else _sentence(rest)
        if answer and (not after_box or _LOOKS_LIKE_ANSWER.match(answer)):
            return answer
    return _corrected(response, start) if after_box else None


def _corrected(response: str, start: int) -> str | None:
    """What is said to be right after a word of correction behind a box."""
    cue = _CORRECTION.search(response, start)
    if cue is None:
        return None
    marks = list(_CORRECTED.finditer(response, cue.start()))
    for mark in reversed(marks[-_MOST_PHRASES:]):
        answer = _sentence(response[mark.end() : mark.end() + _MOST_ANSWER])
        if answer and _LOOKS_LIKE_NUMBER.match(answer):
            return answer
    return None


_MOST_ANSWER = 4000
"""Characters after a phrase that can belong to its answer."""


def _line(text: str) -> str | None:
    lines = text.strip().splitlines()
    return lines[0].strip(_SURROUNDINGS) if lines else None


def _sentence(text: str) -> str | None:
    """The first line with text, up to the end of its first sentence; formulas are not cut."""
    text = text.lstrip(_SURROUNDINGS + ":")
    price = _PRICE.match(text)
    for part in _SENTENCE_PART.finditer(text, price.end() if price else 0):
        if part["end"] is not None:
            text = text[: part.start()]
            break
    return text.strip(_SURROUNDINGS)
