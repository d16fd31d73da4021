r"""Answers that no phrase announces.

`bare_answer`: the response is nothing but an expression, such as `-5`, `$x \ge 5$` or `D.`.
`named_at_last`: a sentence says that a formula is the answer ("so $x \ge 5$ is the solution").
`last_formula`: the last formula or number anywhere in the text; a guess, used only on request.
"""

import re

from verifiers.answers.extent import FUNCTION, MATHS, has_maths, looks_like_answer

_MOST_BARE = 2000
"""Longest response that counts as nothing but an expression, in characters."""
_MOST_BEFORE = 200
_REGION = re.compile(rf"(?:{MATHS})\.?", re.DOTALL)
_ENVIRONMENT = re.compile(r"\\begin\s*\{[^{}]*\}.*\\end\s*\{[^{}]*\}", re.DOTALL)
_LETTER = re.compile(r"(?:[A-HJa-z]|\([A-Za-z]\)|\[[A-Za-z]\]|[A-Za-z][.)])[.:]?")
"""Letters of choices, or names; "I" and other lone capitals more often start a sentence."""
_CAPITAL = re.compile(r"[A-Z]")
_NAME = re.compile(r"[A-Za-z](?:_\w+)?\s*(?:=|<|>|\\[gln]e|\\in|\u2264|\u2265)")
_NO_WORDS = re.compile(
    rf"\\(?:text\w*|mathrm|mbox|textnormal)\s*\{{[^{{}}]*\}}|\\[A-Za-z]+|{FUNCTION}"
    r"|\bno\s+(?:real\s+)?solutions?\b|\bdoes\s+not\s+exist\b"
)
_WORD = re.compile(r"[^\W\d_]{2,}")
_VARIABLE = re.compile(r"[A-Za-z]|\$")
_UNIT = re.compile(r"\d[\s)}\]%$]*+[^\W\d_]+\.?(?:\s+[^\W\d_]{2,}\.?)?$")
_NO_UNITS = frozenset(
    "a an and are as at be by can for from had has have he in into is it less minus more"
    " must no not of on or plus she so than that the then there they this times to was we were"
    " which will with".split()
)
"""Words that show that a sentence continues or was cut off."""
_OPEN_END = tuple("=+-*/^_,;:(<>{[\\&?")
_NUMBER = (
    r"(?:(?<![\w)\]}])[-\u2212])?[$\u20ac\u00a3]?(?:\d[\d,]*(?<!,)(?:\.\d+)?|(?<!\d)\.\d+)(?:/\d+)?"
    r"(?:\s?\\?%|\s?percent\b)?"
)
_FORMULA = re.compile(rf"{MATHS}|\$\s+\\[^$\n]+\$|(?<![A-Za-z\d]){_NUMBER}", re.DOTALL)
_IS_THE_ANSWER = re.compile(
    rf"(?P<formula>{MATHS}|(?<![\w.,]){_NUMBER})\s+(?:is|are|must\s+be)\s+(?:(?:thus|therefore|hence|indeed|then)\s+)?"
    r"(?:the|our|my)\s+(?:(?:final|correct|only|desired|required)\s+)*(?:answer|solution)s?(?=\s*(?:[.!*]|$))",
    re.DOTALL | re.IGNORECASE,
)
_SUPPOSES = re.compile(
    r"\b(?:if|whether|suppose|assume|not|check|verify|why|because)\b|n't\b|\?", re.IGNORECASE
)


def bare_answer(text: str) -> str | None:
    """The text, if it is nothing but an expression; a number may have a unit of up to two words."""
    answer = text.strip().strip("*`").strip()
    if not 0 < len(answer) <= _MOST_BARE or answer.endswith(_OPEN_END):
        return None
    if "\\boxed" in answer or "\\fbox" in answer:
        # An empty or truncated box states nothing.
        return None
    if _LETTER.fullmatch(answer) or _REGION.fullmatch(answer) or _ENVIRONMENT.fullmatch(answer):
        return answer
    is_line = "\n" not in answer and (looks_like_answer(answer) or _NAME.match(answer))
    if not is_line or not _is_balanced(answer) or _CAPITAL.fullmatch(answer):
        return None
    words = _WORD.findall(_NO_WORDS.sub(" ", answer))
    if not words:
        # A sum such as "6*7 = 42" counts as a step unless something has a name.
        return answer if "=" not in answer or _VARIABLE.search(_NO_WORDS.sub(" ", answer)) else None
    if len(words) <= 2 and "=" not in answer and _UNIT.search(answer):
        return None if any(word.lower() in _NO_UNITS for word in words) else answer
    return answer if len(words) == 1 and _WORD.fullmatch(answer.rstrip(".")) else None


def named_at_last(text: str) -> str | None:
    """The last formula that a sentence in the last line calls the answer or the solution."""
    line = text.rstrip()
    line = line[line.rfind("\n") + 1 :]
    if "answer" not in line and "solution" not in line:
        return None
    match = next(reversed(list(_IS_THE_ANSWER.finditer(line))), None)
    if match is None:
        return None
    before = line[max(0, match.start() - _MOST_BEFORE) : match.start()]
    sentence = before[max(map(before.rfind, (". ", "! "))) + 1 :]
    return None if _SUPPOSES.search(sentence) else match["formula"]


def last_formula(text: str) -> str | None:
    """The last formula that has a number or a sign, otherwise the last formula."""
    found = [match[0] for match in _FORMULA.finditer(text)]
    return next(filter(has_maths, reversed(found)), found[-1] if found else None)


def _is_balanced(answer: str) -> bool:
    opened = answer.count("(") + answer.count("[")
    return opened == answer.count(")") + answer.count("]") and answer.count("{") == answer.count("}")
