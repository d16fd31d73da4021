"""Phrases that state an answer, and words that retract a stated one.

Phrases are "the answer is", "Answer:", "the correct option is", their equivalents in other languages
(`languages.py`), a heading "Final Answer", `#### 42` and `<answer>42</answer>`. "Solution:" states only
text that looks like an answer, and so does every phrase after a box. Words about an answer ("to check
the answer:", "if the answer is") state none, and a remark ("so the answer is correct") leaves an
earlier statement unchanged. An answer on separate lines may be a list (`lists.py`).
"""

import re

from verifiers.answers.extent import (
    first_line,
    first_sentence,
    has_maths,
    has_number,
    is_bare_value,
    is_named_value,
    looks_like_answer,
    looks_like_maths,
)
from verifiers.answers.languages import (
    ANNOUNCED,
    find_announcements,
    is_denied,
    speaks_about_an_answer,
    without_ending,
)
from verifiers.answers.lists import list_on_lines, with_more_names, without_inner_labels

_MOST_MARKS = 50
"""Phrases examined, counted from the last."""
_MOST_ANSWER = 4000
"""Characters after a phrase that can belong to its answer."""
_MOST_BEFORE = 80
"""Characters before a phrase that decide whether it states something."""
_MOST_SENTENCE = 200
"""Characters before a correction that decide whether it is one."""

_KEYWORDS = ("ans", "Ans", "ANS", "olution", "OLUTION", "ption", "hoice", "####")
_MOST_TO_KEYWORD = 20
"""Characters from the start of a phrase to one of these."""
_VERB = (
    r"(?:(?:should|must|would|will|can)\s+(?:then\s+|also\s+)?(?:be|have\s+been)|is|was|are|equals|becomes"
    r"|(?:turns|comes|works)\s+out\s+to(?:\s+be)?|comes\s+to|=|:|\uff1a)"
)
_FILLER = (
    r"(?:now|then|thus|therefore|hence|simply|just|actually|indeed|clearly|exactly|equal\s+to|given\s+by"
    r"|found\s+to\s+be|also|for\s+sure|surely|certainly|definitely|obviously|of\s+course|in\s+fact|again"
    r"|(?:most\s+)?(?:likely|probably)(?:\s+to\s+be)?|still|once\s+more)\b[\s,:]*+"
)
_ENGLISH = rf"""(?P<hashes>(?<!\#)\#{{4}}(?!\#))
    |(?P<tag><answer>)
    |(?P<heading>\banswer[*_]{{0,3}}:?[*_]{{0,3}}[ \t]*+(?:\n|(?<=[ \t])(?=\$|\\[(\[])))
    |\b(?:ans(?:wer)?s?["']?|(?P<solution>solutions?(?:\s+set)?)|(?:correct|right|best)\s+(?:option|choice))(?!\w)
        (?:\s++(?:to|for|of)\s++(?:[\w'"-]++\s++){{1,8}}?(?={_VERB}\s))?
        (?:\s*+\([^()]{{0,40}}\))?[\s*_`]*+{_VERB}[\s*_`]*+(?::[\s*_`]*+)?(?:{_FILLER})*+"""
_PHRASE = re.compile(f"{_ENGLISH}|(?P<foreign>(?!))", re.IGNORECASE | re.VERBOSE)
_PHRASE_OF_ANY_LANGUAGE = re.compile(
    rf"{_ENGLISH}|(?P<foreign>{ANNOUNCED})[\s*_`]*+", re.IGNORECASE | re.VERBOSE
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
    r"|n't\s+think\b"
    r"|\b(?:wrong|incorrect|false|untrue|mistaken|not\s+true|not\s+the\s+case)\s+(?:to\s+\w+\s+)?(?:that\s+)?"
    r"(?:the\s+|my\s+|our\s+)?(?:final\s+|correct\s+)?$",
    re.IGNORECASE,
)
"""Words in the clause before a phrase that make it no statement."""
_OF_A_SOLUTION = re.compile(
    r"(?:\b(?:of|in|into|from|with|to)\s+(?:[\w-]+\s+){0,3}|'s\s+)$", re.IGNORECASE
)
"""Before "solution is": "the pH of a neutral solution is 7" is about a liquid."""
_LONE_LETTER = re.compile(r"\$?\s*[A-Za-z]\s*\$?")
_CLAUSE_ENDS = ".,:;!?>\n"
_NO_HASHED_ANSWER = re.compile(r"[*_]*\(?\w{1,3}\\?[.):]\s+\S|[*_]*\d+\s+[A-Z][a-z]|.*:$")
_COUNTED = re.compile(r"\d[\d,.]*+\s++(?!and\b|or\b)[A-Za-z]{2,}")
"""A number of things: "the solution is 3 steps long" states no answer."""
_THINKING = re.compile(
    r"(?:let'?s|let\s+us|let\s+me|to\s+\w+|we\s+(?:need|have|are|can|start|first)|first|step)\b",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(
    r"[\s.\u2026\[\]]*+(?:(?:your|the|final)\s+)*(?:answer)?(?:\s+here)?[\s.\u2026\[\]]*+",
    re.IGNORECASE,
)

_REMARK = re.compile(
    r"[a-z\u00df-\u00ff\u0430-\u044f](?!.*(?<![\w'])(?:[A-Z]|or)(?![\w']))"
    r"|(?:\u6b63\u786e|\u5bf9\u7684|\u5408\u7406|\u6574\u6570|\u6b63\u3057|\ub9de|\uc815\ud655|\u0938\u0939\u0940|\u0635\u062d\u064a\u062d)"
)
"""Lower-case words; an answer in words is a name, or the only word."""
_REMARK_WITH_NUMBERS = re.compile(
    r"(?:rounded\s+to|derived\s+from|obtained\s+(?:by|from)|based\s+on|shown\s+(?:in|above)|expressed\s+in"
    r"|consistent\s+with|what\s+we|(?:supported|verified|confirmed)\s+by)\b"
)
_PROPERTY = re.compile(r"even|odd|true|always", re.IGNORECASE)
"""An answer, or a remark about a number stated as the answer before."""
_TAKES_BACK = re.compile(
    r"\b(?:not(?!\s+an?\s)|never|wrong|incorrect|false|unknown|unclear|impossible|undetermined|cannot|different"
    r"|another|other|larger|smaller|greater|less|more|missing|too|in\s+doubt|off|mistaken|flawed|invalid|absurd"
    r"|(?:suspicio|inconsisten|contradict|unreason|questiona|incorrect|falsch|erra[dt]|equivocad|sbagliat|inexact"
    r"|inv[\u00e1a]lid|b\u0142\u0119dn|\u043d\u0435\u0432\u0435\u0440\u043d|\u043d\u0435\u043f\u0440\u0430\u0432"
    r"|\u043e\u0448\u0438\u0431)\w*|fau(?:x|sse)|salah|foute?)\b|n't\b",
    re.IGNORECASE,
)
_CUT_OFF = (",", "+", "-", "\u2212", "=", "/", "^", "_", "(", "[", "{", "\\", "<", ":")
"""Ends of an answer that show that the text was cut off within it."""
_CLOSING = re.compile(r"\$|\\[)\]]")

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
    """The statement of the last phrase from `start` on, and where the phrase begins.

    `box` is the content of a box before `start`.
    """
    marks = _marks(text, start)
    if box is None and marks and _breaks_off(text, marks[-1]):
        return None
    looks_right = looks_like_answer if box is None or not has_maths(box) else looks_like_maths
    remark = None
    for mark in reversed(marks[-_MOST_MARKS:]):
        if _is_denied(text, mark):
            if box is None:
                break
            continue
        answer = _stated(text, mark, behind_box=box is not None)
        if not answer:
            continue
        if answer.endswith(_CUT_OFF) and not text[mark.end() :].partition(answer)[2].strip():
            if box is None:
                return None
            continue
        is_remark = box is None and _PROPERTY.fullmatch(answer)
        if mark["tag"] or (looks_right(answer) and not is_remark):
            return answer, mark.start()
        if box is None:
            remark = remark or (answer, mark.start())
            if not _is_remark(answer):
                break
    return remark


def _marks(text: str, start: int) -> list[re.Match[str]]:
    found = [at for word in _KEYWORDS if (at := text.find(word, start)) >= 0]
    pattern = _PHRASE
    if (foreign := find_announcements(text, start)) is not None:
        found.append(foreign)
        pattern = _PHRASE_OF_ANY_LANGUAGE
    return list(pattern.finditer(text, max(start, min(found) - _MOST_TO_KEYWORD))) if found else []


def _is_denied(text: str, mark: re.Match[str]) -> bool:
    """Whether a phrase in another language says what the answer is not, and so states none."""
    rest = text[mark.end() : mark.end() + _MOST_ANSWER]
    return mark["foreign"] is not None and is_denied(first_sentence(rest))


def _breaks_off(text: str, mark: re.Match[str]) -> bool:
    """Whether the text ends with a phrase, so that its statement is unknown."""
    opens = not (mark["hashes"] or mark["heading"] or mark["solution"])
    return opens and not text[mark.end() : mark.end() + _MOST_ANSWER].strip(" \t\n*_`$([\\")


def _is_remark(answer: str) -> bool:
    """Whether the text comments on an answer stated before without retracting it."""
    if _REMARK_WITH_NUMBERS.match(answer):
        return True
    return (
        _REMARK.match(answer) is not None
        and not _TAKES_BACK.search(answer)
        and not has_number(answer)
        and not has_maths(answer)
    )


def _stated(text: str, mark: re.Match[str], *, behind_box: bool) -> str | None:
    rest = text[mark.end() : mark.end() + _MOST_ANSWER]
    if mark["tag"]:
        end = rest.find("</answer>")
        if end < 0 or _PLACEHOLDER.fullmatch(rest, 0, end):
            return None
        return list_on_lines(rest[:end]) or rest[:end].strip()
    if mark["hashes"]:
        line = first_line(rest)
        return line if looks_like_answer(line) and not _NO_HASHED_ANSWER.match(line) else None
    if _is_no_statement(text, mark):
        return None
    if rest[:1] == "}":
        # The formula around `\text{The answer is } 42` ends the phrase's statement.
        rest = _CLOSING.split(rest[1:], maxsplit=1)[0]
    if mark["solution"]:
        answer = first_sentence(rest)
        if behind_box or _LONE_LETTER.fullmatch(answer):
            return None
        counted = _COUNTED.match(answer) and not is_bare_value(answer)
        return answer if looks_like_maths(answer) and not counted else None
    on_lines = "\n" in mark[0]
    if on_lines and (items := list_on_lines(_from_line_start(text, mark) + rest)):
        return None if _THINKING.match(items) else items
    answer = without_inner_labels(first_sentence(rest))
    if mark["foreign"]:
        answer = without_ending(answer)
    if not looks_like_answer(answer):
        text_goes_on = on_lines and "\n" in rest.strip()
        if text_goes_on or _THINKING.match(answer):
            return None
    return with_more_names(answer, rest)


def _is_no_statement(text: str, mark: re.Match[str]) -> bool:
    """Whether a phrase only speaks about an answer, or is a heading's word within a sentence."""
    before = text[max(0, mark.start() - _MOST_BEFORE) : mark.start()]
    if mark["heading"] and ":" not in mark[0] and not _HEADING_BEFORE.search(before):
        return True
    clause = before[max(map(before.rfind, _CLAUSE_ENDS)) + 1 :]
    if mark["foreign"] and speaks_about_an_answer(clause):
        return True
    if mark["solution"] and _OF_A_SOLUTION.search(clause):
        return True
    return _ABOUT_AN_ANSWER.search(clause) is not None


def _from_line_start(text: str, mark: re.Match[str]) -> str:
    """The text from the start of its line, with the list markers that a phrase took for markup."""
    line = text.rfind("\n", mark.start(), mark.end()) + 1
    return text[line : mark.end()]


def last_line_after_hashes(text: str) -> str | None:
    """The last non-empty line, if it begins with `####`; for answers such as `#### Paris`."""
    text = text.rstrip()
    line = text[text.rfind("\n") + 1 :].lstrip()
    if not line.startswith("####") or len(line) > _MOST_BEFORE:
        return None
    answer = first_line(line[4:])
    return answer if answer[:1] != "#" and not _NO_HASHED_ANSWER.match(answer) else None


def last_correction(text: str, start: int) -> str | None:
    """The replacement that follows a retraction of a statement before `start`."""
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
