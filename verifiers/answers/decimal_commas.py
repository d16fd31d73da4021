"""Numbers with a decimal comma: `3,5` in a text whose language writes them that way.

`3,5` may also be a list of two numbers, and `1,234` a number with a thousands separator. A comma is
read as a decimal comma only if the text makes it certain, by its language or by `{,}`.
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
    """The answer with a decimal point, if it is a number whose only comma is no thousands separator."""
    match = _NUMBER.fullmatch(answer)
    if match is None or _MAY_BE_THOUSANDS.fullmatch(f"{match['whole']},{match['decimals']}"):
        return None
    whole = re.sub(r"\D", "", match["whole"])
    return f"{match['before']}{whole}.{match['decimals']}{match['behind']}"


def may_be_thousands(answer: str) -> bool:
    """Whether it is a number whose points or commas may be thousands separators or the decimal mark."""
    return _GROUPS.fullmatch(answer.strip("$ ")) is not None


def is_decimal_comma(answer: str, response: str) -> bool:
    """Whether the answer's comma can only be a decimal comma."""
    return "{,}" in answer or has_words_of_decimal_commas(response)
