"""Labels before an answer that say what it is: `Area = 12`, `Answer: 42`."""

import re

_LABEL = re.compile(
    r"(?:\\text\s*+\{[^{}]*+\}"
    r"|(?:[A-Z][a-z]{2,20}+|[a-z]{4,20}+)(?:\s++[A-Za-z]{1,20}+){0,3}+)\s*+[=:]\s*+(?=\S)"
)
_STATES = re.compile(r"\\text\s*+\{[^{}\d]*\b(?:is|are|equals)\s*+\}\s*+(?=\S)")
"""A sentence whose only formula is the answer: `\\text{The area is } 2\\pi`."""
_DENIES = re.compile(
    r"\b(?:not|no|never|neither|nor|cannot|than|least|most|half|third|twice|double|opposite|inverse|reciprocal"
    r"|square|root|if|unless|wrong|incorrect|negative|minus)\b|n't",
    re.IGNORECASE,
)
_ABOUT = re.compile(
    r"(?:\\text\s*+\{\s*+)?+(?:\\sim|approximately|about|roughly|around|nearly|almost|exactly)\s*+\}?+\s*+"
    r"(?=[-\d.$\\])",
    re.IGNORECASE,
)
_FUNCTION = re.compile(r"(?:sin|cos|tan|log|ln|sqrt|exp|min|max|gcd|lcm|or|and)\b", re.IGNORECASE)


def without_label(text: str) -> str:
    """The text after a label in words; variables and functions are not labels."""
    stated = _STATES.match(text)
    if stated and not _DENIES.search(stated[0]):
        return text[stated.end() :]
    label = _LABEL.match(text)
    if label and not _FUNCTION.match(text):
        text = text[label.end() :]
    return _ABOUT.sub("", text, count=1) if _ABOUT.match(text) else text
