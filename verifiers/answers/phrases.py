"""Phrases that state an answer, and words that take a stated one back.

Phrases are "the answer is", "Answer:", "the correct option is", a heading "Final Answer", `#### 42` and
`<answer>42</answer>`. "Solution:" states only what looks like an answer, and so does every phrase
behind a box. Words about an answer ("to check the answer:", "if the answer is") state none.
"""

import re

from verifiers.answers.extent import (
    first_line,
    first_sentence,
    has_maths,
    is_bare_value,
    is_named_value,
    looks_like_answer,
    looks_like_maths,
)

_MOST_MARKS = 50
"""Phrases that are looked at, from the last."""
_MOST_ANSWER = 4000
"""Characters after a phrase that can belong to its answer."""
_MOST_BEFORE = 80
"""Characters before a phrase that tell whether it states something."""
_MOST_SENTENCE = 200
"""Characters before a correction that tell whether it is one."""

_KEYWORDS = ("ans", "Ans", "ANS", "olution", "OLUTION", "ption", "hoice", "####")
_MOST_TO_KEYWORD = 20
"""Characters from the beginning of a phrase to one of these."""
_VERB = (
    r"(?:(?:should|must|would|will|can)\s+(?:then\s+|also\s+)?(?:be|have\s+been)|is|was|are|equals|becomes"
    r"|(?:turns|comes|works)\s+out\s+to(?:\s+be)?|comes\s+to|=|:|\uff1a)"
)
_FILLER = (
    r"(?:now|then|thus|therefore|hence|simply|just|actually|indeed|clearly|exactly|equal\s+to|given\s+by"
    r"|found\s+to\s+be|also)\b[\s,:]*+"
)
_PHRASE = re.compile(
    rf"""(?P<hashes>(?<!\#)\#{{4}}(?!\#))
    |(?P<tag><answer>)
    |(?P<heading>\banswer[*_]{{0,3}}:?[*_]{{0,3}}[ \t]*+\n)
    |\b(?:ans(?:wer)?s?|(?P<solution>solutions?(?:\s+set)?)|(?:correct|right|best)\s+(?:option|choice))\b
        (?:\s++(?:to|for|of)\s++(?:[\w'"-]++\s++){{1,8}}?(?={_VERB}\s))?
        (?:\s*+\([^()]{{0,40}}\))?[\s*_`]*+{_VERB}[\s*_`]*+(?::[\s*_`]*+)?(?:{_FILLER})*+""",
    re.IGNORECASE | re.VERBOSE,
)
_HEADING_BEFORE = re.compile(
    r"(?:^|\n)[ \t#*_>]*+(?:\d+\.\s+)?(?:(?:the|my|your|final|correct)\s+)*$", re.IGNORECASE
)
_ABOUT_AN_ANSWER = re.compile(
    r"\b(?:(?:check|verify|confirm|explain|justify|validate|test|understand|interpret)(?:ing|ed)?"
    r"|(?:explanation|check|verification|proof|justification|form|format|units?)\s+(?:of|for))\s+"
    r"(?:(?:the|this|that|our|my|your|final|correct|above)\s+)*$"
    r"|\b(?:wrong|incorrect|false|initial|original|previous|earlier|old|naive|alternat(?:iv)?e|another)\s+$"
    r"|\b(?:if|suppose|supposing|assume|assuming|whether|unless|why|how|doubt|thought|(?:might|could)\s+say)\b"
    r"|n't\s+think\b",
    re.IGNORECASE,
)
"""In the clause before a phrase."""
_CLAUSE_ENDS = ".,:;!?>\n"
_NO_HASHED_ANSWER = re.compile(r"[*_]*\(?\w{1,3}\\?[.):]\s+\S|[*_]*\d+\s+[A-Z][a-z]|.*:$")
_COUNTED = re.compile(r"\d[\d,.]*+\s++(?!and\b|or\b)[A-Za-z]{2,}")
"""A number of something: "the solution is 3 steps long" states no answer."""
_THINKING = re.compile(
    r"(?:let'?s|let\s+us|let\s+me|to\s+\w+|we\s+(?:need|have|are|can|start|first)|first|step)\b",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(
    r"[\s.\u2026\[\]]*+(?:(?:your|the|final)\s+)*(?:answer)?(?:\s+here)?[\s.\u2026\[\]]*+",
    re.IGNORECASE,
)

_CUE = re.compile(
    r"\b(?:wait|actually|sorry|oops|hmm|correction|corrected|rather|meant|on\s+second\s+thought"
    r"|let\s+me\s+(?:re|correct|fix)\w*)\b",
    re.IGNORECASE,
)
_ADMISSION = re.compile(
    r"\b(?:made|there\s+(?:is|was)|that\s+(?:is|was)|that's)\s+an?\s+(?:\w+\s+){0,2}?(?:mistake|error|slip)\b"
    r"|\bmy\s+(?:mistake|error)\b|\bI\s+(?:forgot|miscalculated|miscounted|misread|overlooked|missed)\b"
    r"|\b(?:is|was|are|were|am)\s+(?:wrong|incorrect|mistaken|not\s+(?:right|correct))\b"
    r"|'s\s+(?:wrong|incorrect|not\s+(?:right|correct))\b",
    re.IGNORECASE,
)
_CORRECTED = re.compile(
    r"""(?P<stated>\b(?:should|must|has\s+to)\s+(?:really\s+|actually\s+)?(?:be|have\s+been)
        |\bmeant(?:\s+to\s+(?:say|write))?
        |\b(?:correct|right|true|actual|new|corrected|revised)\s+(?:result|value|total|one|number|sum)\s*+
            (?:is|should\s+be|:|=)
        |\bcorrect(?:ed|ion)\s*+:)[\s,:;*]*+
    |\b(?:wait|actually|correction|sorry|oops|hmm|rather)\b[\s,.:;!\u2014-]*+(?:no\b[\s,.:;!]*+)?
        (?P<direct>(?:(?:it|that|this)(?:'s|\s+is)\s++(?:(?:really|actually|in\s+fact|just)\s++)?)?)
    |(?:[.:;,!]\s|\n)\s{0,3}+(?:(?:so|then|thus|therefore|hence|now)\b[\s,]*+)?
        (?P<concluded>(?:it|that|(?:the|this)\s+(?:result|value|total|sum|product|number|area|length|probability))
            (?:'s|\s+is)\s++
            |(?=[*$]*[A-Za-z]\w?\s*+=))""",
    re.IGNORECASE | re.VERBOSE,
)
_NO_CORRECTION = re.compile(
    r"\b(?:if|where|when|whether|check\w*|verif\w+|suppos\w+|assum\w+|plug\w*|substitut\w+"
    r"|for\s(?!th(?:at|is)\b|(?:the|my|any)\s+(?:confusion|error|mistake)))",
    re.IGNORECASE,
)
_SENTENCE_START = re.compile(r"[.!?]\s|\n")


def last_phrase(text: str, start: int, *, box: str | None) -> tuple[str, int] | None:
    """What the last phrase from `start` on states, and where the phrase begins.

    `box` is what a box before `start` states.
    """
    keywords = [at for word in _KEYWORDS if (at := text.find(word, start)) >= 0]
    if not keywords:
        return None
    marks = list(_PHRASE.finditer(text, max(start, min(keywords) - _MOST_TO_KEYWORD)))
    looks_right = looks_like_answer if box is None or not has_maths(box) else looks_like_maths
    if box is None and marks and _breaks_off(text, marks[-1]):
        return None
    for mark in reversed(marks[-_MOST_MARKS:]):
        answer = _stated(text, mark, behind_box=box is not None)
        if answer and (box is None or mark["tag"] or looks_right(answer)):
            return answer, mark.start()
    return None


def _breaks_off(text: str, mark: re.Match[str]) -> bool:
    """Whether the text ends with a phrase: what it was going to state is not known."""
    opens = not (mark["hashes"] or mark["heading"] or mark["solution"])
    return opens and not text[mark.end() : mark.end() + _MOST_ANSWER].strip(" \t\n*_`$")


def _stated(text: str, mark: re.Match[str], *, behind_box: bool) -> str | None:
    rest = text[mark.end() : mark.end() + _MOST_ANSWER]
    if mark["tag"]:
        end = rest.find("</answer>")
        return None if end < 0 or _PLACEHOLDER.fullmatch(rest, 0, end) else rest[:end].strip()
    if mark["hashes"]:
        line = first_line(rest)
        return line if looks_like_answer(line) and not _NO_HASHED_ANSWER.match(line) else None
    before = text[max(0, mark.start() - _MOST_BEFORE) : mark.start()]
    if mark["heading"] and ":" not in mark[0] and not _HEADING_BEFORE.search(before):
        return None
    clause = before[max(map(before.rfind, _CLAUSE_ENDS)) + 1 :]
    if _ABOUT_AN_ANSWER.search(clause):
        return None
    answer = first_sentence(rest)
    if mark["solution"]:
        counted = _COUNTED.match(answer) and (behind_box or not is_bare_value(answer))
        return answer if looks_like_maths(answer) and not counted else None
    if not looks_like_answer(answer):
        text_goes_on = "\n" in mark[0] and "\n" in rest.strip()
        if text_goes_on or _THINKING.match(answer):
            return None
    return answer


def last_line_after_hashes(text: str) -> str | None:
    """The last line with text, if it begins with `####`; for answers such as `#### Paris`."""
    text = text.rstrip()
    line = text[text.rfind("\n") + 1 :].lstrip()
    if not line.startswith("####") or len(line) > _MOST_BEFORE:
        return None
    answer = first_line(line[4:])
    return answer if answer[:1] != "#" and not _NO_HASHED_ANSWER.match(answer) else None


def last_correction(text: str, start: int) -> str | None:
    """What is said to be right after a word that takes back what was stated before `start`."""
    cue, admission = _CUE.search(text, start), _ADMISSION.search(text, start)
    first = min((match.start() for match in (cue, admission) if match), default=None)
    if first is None:
        return None
    marks = list(_CORRECTED.finditer(text, first))
    for mark in reversed(marks[-_MOST_MARKS:]):
        answer = first_sentence(text[mark.end() : mark.end() + _MOST_ANSWER])
        if mark["stated"]:
            right = looks_like_maths(answer)
        elif mark["direct"] is not None:
            right = is_bare_value(answer)
        else:
            admitted = admission is not None and admission.start() < mark.start()
            right = admitted and (is_bare_value(answer) or is_named_value(answer))
        said_from = mark.start("concluded") if mark["concluded"] is not None else mark.start()
        if right and not _NO_CORRECTION.search(_sentence_before(text, said_from)):
            return answer
    return None


def _sentence_before(text: str, end: int) -> str:
    before = text[max(0, end - _MOST_SENTENCE) : end]
    starts = [match.end() for match in _SENTENCE_START.finditer(before)]
    return before[starts[-1] :] if starts else before
