"""Forms that a question's wording asks for, such as "in lowest terms" or "as a decimal".

Each form has a measure. An answer lacks the form if it measures less than the gold answer, because the
gold answer shows how the wording is meant. Percentages are not a form: 0.5 answers "as a percent".
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from verifiers.math.asked import form_measures as measures
from verifiers.math.forms.nodes import Formula

_INTO = (
    r"\b(?:as|in|into|to)\s+(?:an?\s+|the\s+)?(?:(?:single|common|simplified|simple|exact|reduced)\s+)*"
)
_NO_CHOICE = r"(?!\s*,?\s+or\b)"
_SIMPLIFY = (
    r"\bsimplif(?:y|ied)\b|\bsimplest\b|\blowest\s+terms|\breduced\s+(?:fraction|form)|\birreducible\b"
    r"|\breduce\s+(?:the\s+fraction|\$?\\[dt]?frac|\$?\d+\s*/\s*\d)"
)
_EXPAND = r"\bexpand\b|\bexpanded\s+form\b|\bmultiply\s+out\b"
_FACTOR = (
    r"(?:^|[.:;!?,$]\s*|\b(?:and|to|then|please|completely|fully)\s+)factor(?:i[sz]e)?\b"
    r"(?!\s+(?:of|by)\b)"
    r"|\bfactor(?:i[sz])?(?:ed|ation)\b|\bproduct\s+of\s+(?:\w+\s+)?(?:factors|primes)"
)


@dataclass(frozen=True, slots=True)
class _Form:
    name: str
    words: re.Pattern[str]
    measure: Callable[[Formula], int]


def missing_form(prompt: str, gold: Iterable[Formula], answer: Iterable[Formula]) -> str | None:
    """The form that the prompt asks for and only the gold answer has; None if there is none.

    `gold` and `answer` are the normal forms of the items.
    """
    golds, answers = list(gold), list(answer)
    for form in _FORMS:
        if form.words.search(prompt) is None:
            continue
        if min(map(form.measure, answers)) < min(map(form.measure, golds)):
            return form.name
    return None


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_FORMS = (
    _Form(
        "lowest terms",
        _words(r"\blowest\s+terms|\b(?:reduced|irreducible)\s+fraction"),
        measures.is_reduced_fraction,
    ),
    _Form(
        "a simplified form",
        _words(_SIMPLIFY),
        measures.is_simplified,
    ),
    _Form(
        "an expanded form",
        _words(_EXPAND),
        measures.is_expanded,
    ),
    _Form(
        "a product of factors",
        _words(_FACTOR),
        measures.factoring,
    ),
    _Form(
        "a form without variables in a denominator",
        _words(f"{_SIMPLIFY}|{_EXPAND}|{_FACTOR}"),
        measures.has_no_variable_below,
    ),
    _Form(
        "a decimal",
        _words(
            rf"{_INTO}decimals?\b(?!\s+(?:fraction|or\b)){_NO_CHOICE}|\bdecimal\s+(?:form|notation|number|expansion"
            rf"|representation|places?)\b{_NO_CHOICE}|\bnearest\s+(?:tenth|hundredth|thousandth)"
        ),
        measures.is_decimal,
    ),
    _Form(
        "a mixed number",
        _words(rf"{_INTO}mixed\s+(?:number|fraction|numeral)s?\b{_NO_CHOICE}"),
        measures.is_mixed_number,
    ),
    _Form(
        "a fraction",
        _words(
            rf"{_INTO}(?:(?:im)?proper\s+|irreducible\s+|vulgar\s+)?fractions?\b{_NO_CHOICE}|\bfraction\s+form\b"
        ),
        measures.has_no_decimals,
    ),
    _Form(
        "scientific notation",
        _words(r"\bscientific\s+(?:notation|form)\b"),
        measures.is_scientific,
    ),
    _Form(
        "terms of pi",
        _words(r"\bin\s+terms\s+of\s+(?:\$|\\\()?\s*(?:\\pi|\u03c0|pi)\b"),
        measures.has_pi,
    ),
)
