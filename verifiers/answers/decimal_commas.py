"""Numbers with a decimal comma: `3,5` in a text whose language writes them so.

`3,5` may as well be a list of two numbers, and `1,234` a number with a separator of thousands. So a
comma is only read as a decimal one where the text makes it certain, by its language or by `{,}`.
"""

import re

from verifiers.answers.languages import has_words_of_decimal_commas

_NUMBER = re.compile(
    r"(?P<before>[$\s]*[-+\u2212]?\s*)(?P<whole>\d{1,3}(?:[.\u00a0\u202f ]\d{3})++|\d++)"
    r"(?P<comma>,|\{,\})(?P<decimals>\d++)(?P<behind>(?!\s*[,.;]\s*\d).*)",
    re.DOTALL,
)
_GROUPS = re.compile(r"[-+\u2212]?\d{1,3}(?:(?:\.\d{3})++|,\d{3})")
_MAY_BE_THOUSANDS = re.compile(r"[1-9]\d{0,2},\d{3}")


def with_decimal_point(answer: str) -> str | None:
    """The answer with a point, if it is a number with one comma that separates no thousands."""
    match = _NUMBER.fullmatch(answer)
    if match is None or _MAY_BE_THOUSANDS.fullmatch(f"{match['whole']},{match['decimals']}"):
        return None
    whole = re.sub(r"\D", "", match["whole"])
    return f"{match['before']}{whole}.{match['decimals']}{match['behind']}"


def may_be_thousands(answer: str) -> bool:
    """Whether it is a number whose points or commas may separate thousands, or be the decimal one."""
    return _GROUPS.fullmatch(answer.strip("$ ")) is not None


def is_decimal_comma(answer: str, response: str) -> bool:
    """Whether the comma of the answer can be nothing but a decimal one."""
    return "{,}" in answer or has_words_of_decimal_commas(response)
