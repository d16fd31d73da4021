"""Forms that words of a question ask for, such as "in lowest terms" or "as a decimal".

Each form has a measure, and an answer lacks the form if it measures less than the gold answer does: the
gold answer shows how the words are meant. Percentages are no such form: 0.5 answers "as a percent".
"""

import itertools
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction

from verifiers.formulas.as_written import (
    ARITHMETIC,
    is_closed,
    is_fraction,
    is_whole_number,
    parts_of,
    without_sign,
)
from verifiers.formulas.equality import real_value
from verifiers.formulas.exact_values import exact_or_none
from verifiers.formulas.nodes import Apply, Constant, Formula, Number, Quantity

_MOST_FACTORS = 1000
_MOST_DEGREE = 64
_INTO = (
    r"\b(?:as|in|into|to)\s+(?:an?\s+|the\s+)?(?:(?:single|common|simplified|simple|exact|reduced)\s+)*"
)
_NO_CHOICE = r"(?!\s*,?\s+or\b)"


@dataclass(frozen=True, slots=True)
class _Form:
    name: str
    words: re.Pattern[str]
    measure: Callable[[Formula], int]


def missing_form(prompt: str, gold: Iterable[Formula], answer: Iterable[Formula]) -> str | None:
    """The form that the prompt asks for, the gold answer has and the answer lacks; None if none.

    Gold and answer are the normal forms of their items.
    """
    golds, answers = list(gold), list(answer)
    for form in _FORMS:
        if form.words.search(prompt) is None:
            continue
        if min(map(form.measure, answers)) < min(map(form.measure, golds)):
            return form.name
    return None


def is_worked_out(formula: Formula) -> bool:
    """Whether no operation on numbers is left to carry out; `\\sqrt2` and `3\\pi` are worked out."""
    return not any(map(_is_left_to_do, parts_of(formula)))


def is_function(formula: Formula) -> bool:
    """Whether it is a function of something, such as a root, a logarithm or a factorial."""
    return isinstance(formula, Apply) and formula.name not in ARITHMETIC


def _is_left_to_do(formula: Formula) -> bool:
    if not isinstance(formula, Apply) or not is_closed(formula):
        return False
    if formula.name in ("add", "mul"):
        return sum(map(_is_number, formula.args)) > 1
    if formula.name == "pow":
        return all(map(_is_number, formula.args)) and formula.args[0] != _TEN
    if formula.name == "div":
        return not is_fraction(formula) and all(map(_is_number, formula.args))
    if formula.name == "root":
        return _has_root_in_it(*formula.args)
    if formula.name in ("neg", "mixed", "plus_minus", "minus_plus"):
        return False
    return exact_or_none(formula) is not None or _is_known(formula)


_TEN = Number(Fraction(10))
_ALMOST = 1e-12
_KNOWN = frozenset("sin cos tan cot sec csc arcsin arccos arctan ln log log10 log_base".split())


def _is_known(formula: Apply) -> bool:
    """Whether it is a function of numbers whose value people know: a multiple of 1/12, or of pi/12."""
    if formula.name not in _KNOWN:
        return False
    value = real_value(formula)
    if value is None:
        return False
    twelfths = (12 * value, 12 * value / math.pi)
    return any(abs(one - round(one)) < _ALMOST for one in twelfths)


def _is_number(formula: Formula) -> bool:
    formula = without_sign(formula)
    return isinstance(formula, Number) or is_fraction(formula)


def _has_root_in_it(base: Formula, degree: Formula) -> bool:
    """Whether a whole power can be taken out of the root of a whole number."""
    if not (is_whole_number(base) and isinstance(base, Number) and is_whole_number(degree)):
        return is_fraction(base)
    assert isinstance(degree, Number)
    number, power = int(base.value), int(degree.value)
    if number < 2 or power < 2:
        return True
    powers = (factor**power for factor in range(2, _MOST_FACTORS if power < _MOST_DEGREE else 2))
    return any(number % one == 0 for one in itertools.takewhile(lambda one: one <= number, powers))


# ----------------------------------------------------------------------------------------- measures


def _is_simplified(formula: Formula) -> int:
    return not any(
        _is_left_to_do(part) or _is_reducible(part) or _has_like_terms(part)
        for part in parts_of(formula)
    )


def _is_reducible(formula: Formula) -> bool:
    """Whether above and below the bar is something in common."""
    if not isinstance(formula, Apply) or formula.name != "div":
        return False
    tops, bottoms = (_factors_of(part) for part in formula.args)
    if math.gcd(_whole_factor(tops), _whole_factor(bottoms)) > 1:
        return True
    return not {_base(one) for one in tops if not is_whole_number(one)}.isdisjoint(map(_base, bottoms))


def _whole_factor(factors: Iterable[Formula]) -> int:
    return math.prod(
        one.value.numerator for one in factors if isinstance(one, Number) and is_whole_number(one)
    )


def _has_like_terms(formula: Formula) -> bool:
    """Whether two terms of a sum differ only in a number before them."""
    if not isinstance(formula, Apply) or formula.name != "add":
        return False
    seen = [
        tuple(one for one in _factors_of(without_sign(term)) if not isinstance(one, Number))
        for term in formula.args
        if not is_fraction(without_sign(term))
    ]
    return len(set(seen)) < len(seen)


def _is_expanded(formula: Formula) -> int:
    for part in parts_of(formula):
        if not isinstance(part, Apply):
            continue
        if part.name == "mul" and any(map(_is_sum, part.args)):
            return False
        if part.name == "pow" and _is_sum(part.args[0]) and is_whole_number(part.args[1]):
            return False
    return True


def _num_factors(formula: Formula) -> int:
    """How many factors stand in the product, each as often as its power says."""
    formula = without_sign(formula)
    if isinstance(formula, Apply) and formula.name in ("mul", "div"):
        return sum(map(_num_factors, formula.args))
    if isinstance(formula, Apply) and formula.name == "pow" and is_whole_number(formula.args[1]):
        exponent = formula.args[1]
        assert isinstance(exponent, Number)
        return min(exponent.value.numerator, _MOST_FACTORS)
    return 1


def _is_decimal(formula: Formula) -> int:
    return not any(
        isinstance(part, Constant)
        or (isinstance(part, Quantity) and part.unit.percent)
        or (isinstance(part, Apply) and part.name in ("div", "mixed"))
        or is_function(part)
        for part in parts_of(formula)
    )


def _is_reduced_fraction(formula: Formula) -> int:
    formula = without_sign(formula)
    formula = formula.value if isinstance(formula, Quantity) else formula
    mixed = isinstance(formula, Apply) and formula.name == "mixed"
    return mixed or (is_fraction(formula) and not _is_reducible(formula))


def _has_no_decimals(formula: Formula) -> int:
    parts = list(parts_of(formula))
    return any(isinstance(part, Apply) and part.name in ("div", "mixed") for part in parts) and not any(
        isinstance(part, Number) and part.places is not None for part in parts
    )


def _has(sort: Callable[[Formula], bool]) -> Callable[[Formula], int]:
    return lambda formula: any(map(sort, parts_of(formula)))


def _is_sum(formula: Formula) -> bool:
    return isinstance(formula, Apply) and formula.name == "add"


def _factors_of(formula: Formula) -> tuple[Formula, ...]:
    if isinstance(formula, Apply) and formula.name in ("mul", "div"):
        return formula.args if formula.name == "mul" else (formula,)
    return (formula,)


def _base(formula: Formula) -> Formula:
    return formula.args[0] if isinstance(formula, Apply) and formula.name == "pow" else formula


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_FORMS = (
    _Form(
        "lowest terms",
        _words(r"\blowest\s+terms|\b(?:reduced|irreducible)\s+fraction"),
        _is_reduced_fraction,
    ),
    _Form(
        "a simplified form",
        _words(
            r"\bsimplif(?:y|ied)\b|\bsimplest\b|\blowest\s+terms|\breduced\s+(?:fraction|form)|\birreducible\b"
            r"|\breduce\s+(?:the\s+fraction|\$?\\[dt]?frac|\$?\d+\s*/\s*\d)"
        ),
        _is_simplified,
    ),
    _Form(
        "an expanded form",
        _words(r"\bexpand\b|\bexpanded\s+form\b|\bmultiply\s+out\b"),
        _is_expanded,
    ),
    _Form(
        "a product of factors",
        _words(
            r"(?:^|[.:;!?,$]\s*|\b(?:and|to|then|please|completely|fully)\s+)factor(?:i[sz]e)?\b"
            r"(?!\s+(?:of|by)\b)"
            r"|\bfactor(?:i[sz])?(?:ed|ation)\b|\bproduct\s+of\s+(?:\w+\s+)?(?:factors|primes)"
        ),
        _num_factors,
    ),
    _Form(
        "a decimal",
        _words(
            rf"{_INTO}decimals?\b(?!\s+(?:fraction|or\b)){_NO_CHOICE}|\bdecimal\s+(?:form|notation|number|expansion"
            rf"|representation|places?)\b{_NO_CHOICE}|\bnearest\s+(?:tenth|hundredth|thousandth)"
        ),
        _is_decimal,
    ),
    _Form(
        "a mixed number",
        _words(rf"{_INTO}mixed\s+(?:number|fraction|numeral)s?\b{_NO_CHOICE}"),
        _has(lambda part: isinstance(part, Apply) and part.name == "mixed"),
    ),
    _Form(
        "a fraction",
        _words(
            rf"{_INTO}(?:(?:im)?proper\s+|irreducible\s+|vulgar\s+)?fractions?\b{_NO_CHOICE}|\bfraction\s+form\b"
        ),
        _has_no_decimals,
    ),
    _Form(
        "scientific notation",
        _words(r"\bscientific\s+(?:notation|form)\b"),
        _has(lambda part: isinstance(part, Apply) and part.name == "pow" and part.args[0] == _TEN),
    ),
    _Form(
        "terms of pi",
        _words(r"\bin\s+terms\s+of\s+(?:\$|\\\()?\s*(?:\\pi|\u03c0|pi)\b"),
        _has(lambda part: part == Constant("pi")),
    ),
)
