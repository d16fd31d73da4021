r"""Rewrites idioms into the notation that the grammar reads.

Idioms are parameters ("where k is an integer"), approximations after a value, binomial coefficients
such as `{}_5C_2`, congruences, systems of equations and Python's notation. Each rewriting is linear in
the text's length.
"""

import re

_STYLE = re.compile(r"\\(?:text|mathrm|mbox|textrm|textbf)\s*\{([^{}\\]*)\}")
_PYTHON = re.compile(r"(?<![A-Za-z\\])(?:np|numpy|math|sp|sympy)\.(?=[a-z])")
_PRIMES = re.compile(r"\^\s*(?:\{\s*((?:\\prime\s*)+|'+\s*)\}|(\\prime(?![a-zA-Z])))")
_NUMBER_OR_LETTER = r"\{?\s*(\d+|[a-zA-Z])\s*\}?"
_CHOOSE = re.compile(rf"(?:\{{\s*\}}\s*)?[_^]\s*{_NUMBER_OR_LETTER}\s*C\s*_\s*{_NUMBER_OR_LETTER}")
_MODULUS = re.compile(
    r"\(\s*(?:\\[bp]?mod|\\(?:mathrm|text|operatorname)\s*\{\s*mod\s*\}|mod)\s*([^()]{1,40})\)"
    r"|(?:\\[bp]mod|\\mod|(?<![a-zA-Z])mod(?![a-zA-Z]))\s*(\{[^{}]{1,40}\}|\d+|[a-zA-Z])"
)
_SYSTEM = re.compile(
    r"\\\{\s*\\begin\s*\{(?:array|aligned|matrix)\}\s*(?:\{[clr|\s]*\})?(.*?)"
    r"\\end\s*\{(?:array|aligned|matrix)\}(?!\s*\\\})",
    re.DOTALL,
)
_LETTER = r"(\\[a-zA-Z]+|[a-zA-Z])(?![a-zA-Z])"
_DOMAINS = (
    (r"(?:positive\s+integers?|positive\s+whole\s+numbers?)", r"\mathbb{Z}^+"),
    (r"(?:non-?negative\s+integers?|whole\s+numbers?)", r"\mathbb{Z}^0"),
    (r"(?:natural\s+numbers?)", r"\mathbb{N}"),
    (r"(?:integers?)", r"\mathbb{Z}"),
    (r"(?:real\s+(?:numbers?|constants?|parameters?)|reals?)", r"\mathbb{R}"),
)
_OPENING = r"\s*[,;]?\s*\(?\s*(?:,\s*)?"
_ANY = r"(?:an?\s+|any\s+|all\s+|every\s+|each\s+|some\s+|arbitrary\s+)*"
_PARAMETERS = tuple(
    (
        re.compile(
            rf"{_OPENING}(?:(?:where|with|for|here|and)\s+{_ANY}{_LETTER}\s+(?:is|are|being|be)\s+{_ANY}{words}"
            rf"|(?:where\s+|with\s+|for\s+)?{_ANY}{words}\s+{_LETTER})\s*\)?$"
        ),
        domain,
    )
    for words, domain in _DOMAINS
)
_WHERE_IN = re.compile(
    rf"{_OPENING}(?:(?:where|with|for)\s+)?{_ANY}{_LETTER}\s*\\in\s*(\\mathbb\s*\{{?\s*[A-Z]\s*\}}?(?:\^\{{?[-+*0]\}}?)?)\s*\)?$"
)
_ABOUT = re.compile(
    r"\s*\(\s*(?:or\s+|i\.\s*e\.\s*,?\s*)?(?:\\approx|\\simeq|\\sim|about|approximately|approx\.?|roughly|around|nearly)"
    r"\s*(-?\\?\$?[\d.,]*\d\s*\\?%?)\s*[a-zA-Z\s]*\)$"
)
_RESTATED = re.compile(r"\s*\(\s*(?:i\.\s*e\.\s*,?|that\s+is,?|or|=)\s+([^()=]*\d[^()=]*)\)$")
_REMARK = re.compile(
    r"integer|number|real|constant|\\in(?![a-z])|approx|about|\\sim|around|nearly|roughly|\(\s*(?:i\.|that|or|=)"
)
_MOST_AT_END = 120
"""Characters at the end of an answer that are searched for remarks."""


def without_idioms(text: str) -> str:
    """The answer, given in plain LaTeX, in the notation that the grammar reads."""
    if "." in text:
        text = _PYTHON.sub("", text)
    if "\\" in text:
        text = _PRIMES.sub(lambda m: "'" * (m[0].count("prime") or m[0].count("'")), text)
        text = _SYSTEM.sub(lambda m: rf"\begin{{cases}}{m[1]}\end{{cases}}", text)
    if "C" in text:
        text = _CHOOSE.sub(r"\\binom{\1}{\2}", text)
    if "mod" in text:
        text = _MODULUS.sub(lambda m: rf"\pmod{{{(m[1] or m[2]).strip('{ }')}}}", text)
    return _with_remark_as_formula(text)


def _with_remark_as_formula(text: str) -> str:
    """Rewrites remarks at the end: a parameter's domain, or an approximate value."""
    end = text[-_MOST_AT_END:]
    if not _REMARK.search(end):
        return text
    for find in (_parameter, _approximation):
        plain_end = _STYLE.sub(r" \1 ", end).rstrip()
        if (found := find(plain_end)) is not None and found[0] + len(text) - len(end) > 0:
            start, rest = found
            return f"{text[: -len(end)]}{plain_end[:start]}{rest}"
    return text


def _parameter(end: str) -> tuple[int, str] | None:
    """Where "where k is an integer" begins, and its replacement."""
    if match := _WHERE_IN.search(end):
        return match.start(), rf", {match[1]} \in {match[2]}"
    for pattern, domain in _PARAMETERS:
        if match := pattern.search(end):
            return match.start(), rf", {match[1] or match[2]} \in {domain}"
    return None


def _approximation(end: str) -> tuple[int, str] | None:
    if match := _ABOUT.search(end):
        return match.start(), rf" \approx {match[1]}"
    if match := _RESTATED.search(end):
        return match.start(), f" = {match[1]}"
    return None
