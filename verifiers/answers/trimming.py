r"""Removes text around an answer that is not part of it.

Removed are quotes, the full stop of `$3.$`, an approximation in brackets after a value, and the
sentence around a value ("The volume is 120"). The result is the answer as written.
"""

import re

from verifiers.answers.extent import is_bare_value, looks_like_maths

_QUOTES = {
    "'": "'",
    '"': '"',
    "\u201c": "\u201d",
    "\u201e": "\u201c",
    "\u00ab": "\u00bb",
    "\u300c": "\u300d",
    "``": "''",
}
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_STOP_INSIDE = re.compile(r"(?<!\\right)(?<!\\left)\s*[.,;](\s*(?:\$\$?|\\[)\]]))$")
_ABOUT = (
    r"(?:\\approx|\u2248|~|\\sim|\\simeq|(?:or\s+)?(?:about|approximately|approx\.?|roughly|around|circa|ca\.)(?![a-z])"
    r"|or\s+(?=-?\d*\.\d))"
)
_APPROXIMATION = re.compile(
    rf"(?:\\[,;:! ]|\\q?quad|~|\s)*\\?(?:\\text(?:rm)?\s*\{{\s*)?[(\[]\s*"
    rf"(?:\\text(?:rm)?\s*\{{\s*)?[$\s]*{_ABOUT}"
    r"[^()\[\]]{0,80}[)\]]\s*\}?\s*(\$?)$"
)
_SENTENCE = re.compile(
    r"(?:\\text(?:bf|rm)?\s*\{\s*)?(?:so|thus|hence|therefore|then)?,?\s*"
    r"(?:the|a|an|there|this|that|it|they|we|our|my|its|their|his|her|total|final|number|value)\b",
    re.IGNORECASE,
)
_COPULA = re.compile(
    r"\b(?:is|are|was|were|equals|(?:must|should|will|would)\s+be)\b(?:\s+(?:equal\s+to|exactly))?\s*:?\s*\}?\s*",
    re.IGNORECASE,
)
_CONDITION = re.compile(
    r"\b(?:if|when|unless|whether|not|no|than|between|least|most)\b|n't\b", re.IGNORECASE
)
_NAMED_VALUE = r"[A-Za-z](?:_\w)?\s*=[^=$,]{1,60}"
_NAMED_VALUES = re.compile(rf"\$?\s*{_NAMED_VALUE}(?:,\s*{_NAMED_VALUE})*[$.\s]*")
_MOST_SENTENCE = 300


def trimmed(answer: str) -> str:
    """The answer without surrounding text; empty only if the input is."""
    text = answer.strip()
    if text[:1].isdecimal() and text[-1:].isdecimal():
        return text
    text = _without_quotes(_up_to_unopened(text))
    text = _STOP_INSIDE.sub(r"\1", text)
    text = _without_approximation(text)
    return _value_of_sentence(text).strip() or answer.strip()


def _without_quotes(text: str) -> str:
    for opening, closing in _QUOTES.items():
        inner = text[len(opening) : -len(closing)].strip()
        if text.startswith(opening) and text.endswith(closing) and inner and opening not in inner:
            return inner
    return text


def _up_to_unopened(text: str) -> str:
    """The text up to a brace that closes one from before the answer, as in `text{Answer: 42}`."""
    depth = 0
    for match in _BRACE.finditer(text) if text.count("}") > text.count("{") else ():
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth < 0:
            return text[: match.start()].strip().rstrip(".")
    return text


def _without_approximation(text: str) -> str:
    if text[-1:] not in ")]}$" or len(text) > _MOST_SENTENCE:
        return text
    if not (match := _APPROXIMATION.search(text)) or not match.start():
        return text
    # The dollar sign that closes the formula stays if it opened before the brackets.
    head = text[: match.start()]
    return head + ("$" if match[1] and head.count("$") % 2 else "")


def _value_of_sentence(text: str) -> str:
    """The value of a sentence that states one: the text after its only "is"."""
    if len(text) > _MOST_SENTENCE or not _SENTENCE.match(text) or _CONDITION.search(text):
        return text
    verbs = list(_COPULA.finditer(text))
    if len(verbs) != 1:
        return text
    value = text[verbs[0].end() :].strip().rstrip(".")
    if value.count("}") == value.count("{") + 1:
        # The words were in braces together with the value: \text{The volume is 120}
        value = value.removesuffix("}")
    is_value = is_bare_value(value) or _NAMED_VALUES.fullmatch(value) is not None
    return value if looks_like_maths(value) and is_value else text
