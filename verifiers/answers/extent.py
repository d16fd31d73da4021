"""Where an announced answer ends, and whether the text looks like an answer.

An answer ends with its line, and within a line with its sentence. A full stop inside a number or a
formula ends nothing; "not 6", "which is even" and "(or 0.75)" are not part of the answer, and a
question is not an answer.
"""

import re

from verifiers.answers.number_words import PATTERN

_SURROUNDINGS = " \t\r\n*_`"
_MOST_START = 200
"""Characters at an answer's start that decide whether it looks like one."""

# A formula ends before the next one of its kind begins, which keeps the search linear.
MATHS = (
    r"\$\$[^$]*+\$\$|\$(?!\s)[^$\n]*+\$|\\\((?:[^\\]|\\[^()\[\]])*+\\\)"
    r"|\\\[(?:[^\\]|\\\\\[|\\[^()\[\]])*+\\\]"
)
FUNCTION = (
    r"(?:(?:arc|a)?(?:sin|cos|tan|cot|sec|csc)h?|sqrt|cbrt|ln|log|lg|exp|abs|floor|ceil|gcd|lcm|min|max|det"
    r"|pi|tau|phi|theta|alpha|beta|gamma|delta|lambda|mu|sigma|omega|inf|infinity|infty)(?![A-Za-z])"
)
_MATHS_NEXT = (
    rf"\s*+(?:[-+\u2212±]?\s?(?:[\d$\\(\[{{|]|{FUNCTION})|[A-Za-z](?:_\w+)?"
    r"(?:\s*[=<>^]|\s*\\(?:equiv|in|[lg]eq?|neq?|approx)(?![a-z])|\s*$))"
)
_NO_ABBREVIATION = r"(?<!\bMrs)(?<!\bM[rs])(?<!\bDr)(?<!\bSt)(?<!\bapprox)(?<!\bca)"
_DOMAIN = (
    r"where\s+\$?[A-Za-z]\$?\s*(?:is\s+(?:an?|any)\s+(?:[a-z-]+\s+){0,2}(?:integer|natural|whole|prime)"
    r"|\\in|\u2208|>|<|=)"
)
"""A condition on a letter in the answer, which belongs to the answer."""
_AND_OR = r"(?:and|or|und|oder|et|ou|y|e|o|u|и|или|和|或)(?!\w)"
_WORD_AFTER_DASH = (
    rf"(?!{FUNCTION})(?:[^\W\d_]{{3,}}(?![\w(^*/])"
    r"|(?:as|by|if|in|is|it|of|or|so|to|we|an|at|be|no)(?!\w))"
)
_LIST_OF_WORDS = re.compile(
    r"(?!\u56e0|\u6240\u4ee5|\u7531\u4e8e|\u5373|\u5176\u4e2d|\u800c|\u4f46|\u6545|\u4e5f)"
    r"[^\W\d_]+(?:,?\s(?:and|or)\s[^\W\d_]+)?(?:[.,;]?(?:\s*$|\n)|[.;]\s|,\s)"
)
_WORDS = re.compile(r"[^\W\d_]+(?:,\s[^\W\d_]+)*")
_CLOSES_A_SENTENCE = re.compile(r"(?<!\\right)(?<!\\left)[.!;]\s*(?:\$\$?|\\[)\]])$")
_CJK = r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
_SENTENCE_PART = re.compile(
    rf"""(?P<maths>{MATHS})
    |(?P<end>{_NO_ABBREVIATION}[.!?](?!(?<=\b[ap]\.m\.)\s[a-z])(?=[\s*_"'\u201d]|</|$)|</|\n|;(?=[\s*_]|$)(?!{_MATHS_NEXT}))
    |(?P<clause>
        ,\s*(?="\w+"\s*:)|,\s(?!{_DOMAIN}|{_AND_OR}|{FUNCTION})(?=[^\W\d_]{{2,}}(?:[\s:]|$)|i\.e\.|{_CJK})
        |\s(?=(?:because|since|as|which|so|when|after|given|assuming|for\s+a\s+total|in\s+total|by(?!\s\$?\d)
            |weil|denn|porque|ya\s+que|puisque|parce\s+que|perch[ée]|poich[ée]|потому|так\s+как)\s)
        |\s(?=where\s)(?!{_DOMAIN})
        |\s(?=[-\u2013]\s{_WORD_AFTER_DASH})|\s(?=--+\s)|\s(?=\u2014\s[^\W\d_])
        |,?\s(?=(?:and\s+not|but\s+not|rather\s+than|instead\s+of)\s)
        |(?<=[\d$)}}*\]])\s(?=not\s)
        |\s(?=\((?:or|i\.e\.|that\s+is|approximately|about|roughly|since|because|not|which)\b)
    )""",
    re.VERBOSE | re.DOTALL,
)
_PIECE = re.compile(r"\b(?:otherwise|else|when|if)\b")
_FIRST_SENTENCE = re.compile(r"(?:[^.!?\n]|[.!?](?!\s)){0,200}")
_PRICE = re.compile(r"\$\s?\d[\d,]*(?<!,)(?:\.\d+)?(?=\s+[a-zA-Z]|[.,;!?)]*(?:\s|$))")

_MARKUP = r"[\s*_`$(\[{~]*+"
_OPENING = rf"{_MARKUP}(?:\\[(\[])?{_MARKUP}"
_OPENING_WITH_TEXT = rf"{_OPENING}(?:\\text(?:bf)?\{{\s*+)?(?:\\\{{)?\s*+"
_AT_THE_END = r"\s*+(?:$|[.,;!*}\n]|[a-z]+\b\s*+(?:$|[.,;!}]))"
_NUMBER = (
    rf"(?:[+\-\u2212±]?\s*+\$?\s*+\.?\d|[€£¥₹½⅓⅔¼¾√∞∅π]|{PATTERN.replace(' ', '[ ]')}\b{_AT_THE_END})"
)
_FORMULA = r"""(?:[+\-\u2212±]?\s*+\\(?!text|n\b)[a-zA-Z]+|\|
    |[A-Za-z](?:_(?:\w+|\{\w+\}))?\s*+(?:[=<>^*/+)\]$.,]|\\|$)|[a-zA-Z]\([a-zA-Z]\)\s*+=
    |[+\-\u2212]?\s*+[a-z]\b(?=\s*+[-+*/^=<>])
    |[A-Z]\b(?!\s+[a-z]))"""
_CALL = rf"[-+]?\s*+{FUNCTION}\s*+(?:[(^\\/*]|[a-z\d]\b)|[-+]?\s*+pi\b{_AT_THE_END}"
_NO_VALUE = rf"(?:no\s+(?:real\s+)?solutions?|does\s+not\s+exist|undefined|infinity|dne)\b{_AT_THE_END}"
_WORD = (
    r"(?:yes|no|none|true|false|odd|even|infinite(?:ly\s+many)?|both|neither|never|always)\b"
    rf"{_AT_THE_END}|\\text\s*\{{"
)
_IS_NUMBER = re.compile(
    _OPENING_WITH_TEXT + rf"(?:{_NUMBER}|[+\-\u2212±]?\s*+\\(?!text)[a-zA-Z]+)", re.IGNORECASE
)
_IS_MATHS = re.compile(
    _OPENING_WITH_TEXT + rf"(?:{_NUMBER}|{_FORMULA}|{_CALL}|{_NO_VALUE})", re.IGNORECASE | re.VERBOSE
)
_IS_WORD = re.compile(_OPENING + f"(?:{_WORD})", re.IGNORECASE)
_PRAISE = re.compile(
    r"[\s\d.%$*]+(?:correct(?!\s+to)|right|certain|sure|accurate|wrong)\b", re.IGNORECASE
)
_HAS_MATHS = re.compile(r"\d|\\(?!text|mathrm|mbox)[a-zA-Z]|[=<>^+*/]")
_NUMBER_IN_WORDS = re.compile(rf"\b{PATTERN}\b", re.IGNORECASE)
_TWO_WORDS = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}\s+[A-Za-z]{2,}")
_EQUATION = re.compile(rf"{_MARKUP}[A-Za-z](?:\w|_\{{?\w+\}}?)?(?:\([A-Za-z]\))?\s*+=[^=]*+")


def first_line(text: str) -> str:
    """The first non-empty line."""
    text = text.lstrip()
    return text[: end if (end := text.find("\n")) >= 0 else len(text)].strip(_SURROUNDINGS)


def first_sentence(text: str) -> str:
    """The first sentence of the first non-empty line; empty for a question."""
    text = text.lstrip(_SURROUNDINGS + ":")
    price = _PRICE.match(text)
    start = counted = price.end() if price else 0
    opened = 0
    for part in _SENTENCE_PART.finditer(text, start):
        opened += text.count("\\begin{", counted, part.start()) - text.count(
            "\\end{", counted, part.start()
        )
        counted = part.start()
        if opened > 0 and not part["maths"]:
            # Rows of a matrix.
            continue
        if part["maths"]:
            counted = part.end()
            if _CLOSES_A_SENTENCE.search(part[0]) and text[part.end() : part.end() + 1] in " \n":
                text = text[: part.end()]
                break
        elif part["end"]:
            text = "" if part["end"] == "?" else text[: part.start()]
            if part["end"] == "\n":
                # A comma at the very end of a text shows that it was cut off.
                text = text.rstrip(",")
            break
        elif not _goes_on(text, part):
            text = text[: part.start()]
            break
    return text.strip(_SURROUNDINGS)


def _goes_on(text: str, part: re.Match[str]) -> bool:
    """Whether what looks like the start of an explanation is another item or case."""
    at = part.start()
    if text.startswith(",", at):
        return bool(_LIST_OF_WORDS.match(text, at + 2) and _WORDS.fullmatch(text, 0, at)) or (
            _PIECE.match(text, at + 2) is not None and _has_pieces(text)
        )
    return _PIECE.match(text, at + 1) is not None and _has_pieces(text)


def _has_pieces(text: str) -> bool:
    """Whether the first sentence gives a value for each of several cases."""
    sentence = _FIRST_SENTENCE.match(text)
    return sentence is not None and len(_PIECE.findall(sentence[0])) > 1


def has_maths(text: str) -> bool:
    """Whether the text contains a number or a formula."""
    return _HAS_MATHS.search(text) is not None


def has_number(text: str) -> bool:
    """Whether the text contains a number in words."""
    return _NUMBER_IN_WORDS.search(text) is not None


def looks_like_number(text: str) -> bool:
    """Whether the text begins like a number, or like a formula that could be one."""
    return _IS_NUMBER.match(text[:_MOST_START]) is not None


def looks_like_maths(text: str) -> bool:
    """Whether the text begins like a number or a formula, or says that there is none."""
    start = text[:_MOST_START]
    return _IS_MATHS.match(start) is not None and not _PRAISE.match(start)


def looks_like_answer(text: str) -> bool:
    """Whether the text begins like a number or a formula, or is "yes", "even" and the like."""
    return looks_like_maths(text) or _IS_WORD.match(text[:_MOST_START]) is not None


def is_bare_value(text: str) -> bool:
    """Whether the text is only a number or a formula, with at most one word after it."""
    if not looks_like_number(text) or len(text) > _MOST_START or _TWO_WORDS.search(text):
        return False
    return "=" not in text


def is_named_value(text: str) -> bool:
    """Whether the text is a variable with its value: `x = 42`."""
    return len(text) <= _MOST_START and _EQUATION.fullmatch(text) is not None
