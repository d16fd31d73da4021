"""Measures how far a formula has a form, such as expanded or factored; higher means further.

A single measure means little: compare it with the gold answer's.
"""

import itertools
import math
from collections.abc import Iterable, Iterator
from fractions import Fraction

from verifiers.math.asked.as_written import (
    is_closed,
    is_fraction,
    is_whole_number,
    parts_of,
    without_sign,
)
from verifiers.math.asked.worked_out import is_function, is_left_to_do
from verifiers.math.forms.nodes import (
    Apply,
    Constant,
    Formula,
    Number,
    Quantity,
    Ratio,
    Relation,
    Variable,
)

_MOST_FACTORS = 1000
_TEN = Number(Fraction(10))


def is_simplified(formula: Formula) -> int:
    """Whether nothing remains to add, factor out or cancel."""
    return not any(
        is_left_to_do(part) or _is_reducible(part) or _has_like_terms(part)
        for part in parts_of(formula)
    )


def _is_reducible(formula: Formula) -> bool:
    """Whether the parts of a quotient or ratio have a common factor."""
    if isinstance(formula, Ratio):
        return _is_reducible_ratio(formula)
    if not isinstance(formula, Apply) or formula.name != "div":
        return False
    tops, bottoms = (_factors_of(part) for part in formula.args)
    if math.gcd(_whole_factor(tops), _whole_factor(bottoms)) > 1:
        return True
    return not _bases(tops).isdisjoint(_bases(bottoms))


def _is_reducible_ratio(ratio: Ratio) -> bool:
    """Whether the ratio has numbers that are not whole, or a common factor."""
    numbers = [part for part in ratio.parts if isinstance(part, Number) or is_fraction(part)]
    if len(numbers) < len(ratio.parts):
        return False
    whole = [
        part.value.numerator for part in numbers if isinstance(part, Number) and is_whole_number(part)
    ]
    return len(whole) < len(numbers) or math.gcd(*whole) != 1


def _whole_factor(factors: Iterable[Formula]) -> int:
    """The whole number that can be taken out of a product and the sums in it."""
    return math.prod(map(_whole_part, factors))


def _whole_part(factor: Formula) -> int:
    if isinstance(factor, Number) and is_whole_number(factor):
        return factor.value.numerator
    if isinstance(factor, Apply) and factor.name == "add":
        return math.gcd(*(_whole_factor(_factors_of(without_sign(term))) for term in factor.args))
    return 1


def _bases(factors: Iterable[Formula]) -> set[Formula]:
    """The factors of a product, without their powers and without whole numbers."""
    found: set[Formula] = set()
    for factor in factors:
        if isinstance(factor, Apply) and factor.name == "add":
            terms = (_bases(_factors_of(without_sign(term))) for term in factor.args)
            found |= {factor} | set.intersection(*terms)
        elif not is_whole_number(factor):
            found.add(_base(factor))
    return found


def _has_like_terms(formula: Formula) -> bool:
    """Whether terms of a sum differ only in their coefficients, or a variable is a factor twice."""
    if not isinstance(formula, Apply) or formula.name not in ("add", "mul"):
        return False
    if formula.name == "mul":
        variables = [base for base in map(_base, formula.args) if isinstance(base, Variable)]
        return len(set(variables)) < len(variables)
    seen = [
        tuple(one for one in _factors_of(without_sign(term)) if not isinstance(one, Number))
        for term in formula.args
        if not is_fraction(without_sign(term))
    ]
    return len(set(seen)) < len(seen)


def is_expanded(formula: Formula) -> int:
    """Whether no product of sums remains and like terms are collected."""
    return not any(_is_product_of_sums(part) or _has_like_terms(part) for part in parts_of(formula))


def _is_product_of_sums(formula: Formula) -> bool:
    if not isinstance(formula, Apply):
        return False
    if formula.name == "pow":
        return _is_sum(formula.args[0]) and is_whole_number(formula.args[1])
    return formula.name == "mul" and any(map(_is_sum, formula.args))


def has_no_variable_below(formula: Formula) -> int:
    """Whether no variable is below a bar; for a chain of equations, in at least one side."""
    if isinstance(formula, Relation):
        return max(map(has_no_variable_below, formula.sides))
    return not any(map(_has_variable_below, parts_of(formula)))


def _has_variable_below(formula: Formula) -> bool:
    """Whether a variable is below a bar, except in exponents (`2^{-x}`) and functions (`1/\\sin x`)."""
    if not isinstance(formula, Apply) or formula.name != "div":
        return False
    return any(_has_variable(_base(one)) for one in _factors_of(formula.args[1]))


def _has_variable(formula: Formula) -> bool:
    parts = list(parts_of(formula))
    functions = (part for part in parts if is_function(part))
    return any(isinstance(part, Variable) for part in parts) and all(
        isinstance(part, Apply) and part.name == "root" for part in functions
    )


def factoring(formula: Formula) -> int:
    """Twice the number of factors, plus one if no whole number can be taken out of a sum.

    If there is a variable, only factors with a variable count, so that `2` and `1/2` do not.
    """
    variable = any(isinstance(part, Variable) for part in parts_of(formula))
    factors = list(_single_factors(formula))
    sums = (factor for factor in factors if _is_sum(factor))
    counted = [one for one in factors if not variable or not is_closed(one)]
    return 2 * len(counted) + all(_whole_part(one) == 1 for one in sums)


def _single_factors(formula: Formula) -> Iterator[Formula]:
    """The factors of a product or quotient, each repeated as often as its power says."""
    formula = without_sign(formula)
    if isinstance(formula, Apply) and formula.name in ("mul", "div"):
        for part in formula.args:
            yield from _single_factors(part)
    elif isinstance(formula, Apply) and formula.name == "pow" and is_whole_number(formula.args[1]):
        base, exponent = formula.args
        assert isinstance(exponent, Number)
        repeated = list(itertools.islice(_single_factors(base), _MOST_FACTORS))
        number = min(len(repeated) * exponent.value.numerator, _MOST_FACTORS)
        yield from itertools.islice(itertools.cycle(repeated), number)
    else:
        yield formula


def is_decimal(formula: Formula) -> int:
    return not any(
        isinstance(part, Constant)
        or (isinstance(part, Quantity) and part.unit.percent)
        or (isinstance(part, Apply) and part.name in ("div", "mixed"))
        or is_function(part)
        for part in parts_of(formula)
    )


def is_reduced_fraction(formula: Formula) -> int:
    formula = without_sign(formula)
    formula = formula.value if isinstance(formula, Quantity) else formula
    mixed = isinstance(formula, Apply) and formula.name == "mixed"
    return mixed or (is_fraction(formula) and not _is_reducible(formula))


def has_no_decimals(formula: Formula) -> int:
    parts = list(parts_of(formula))
    return any(isinstance(part, Apply) and part.name in ("div", "mixed") for part in parts) and not any(
        isinstance(part, Number) and part.places is not None for part in parts
    )


def is_mixed_number(formula: Formula) -> int:
    """Whether it has a whole number next to a reduced fraction below 1."""
    return any(map(_is_mixed_number, parts_of(formula)))


def _is_mixed_number(formula: Formula) -> bool:
    if not isinstance(formula, Apply) or formula.name != "mixed":
        return False
    fraction = formula.args[1]
    if not (isinstance(fraction, Apply) and is_fraction(fraction)) or _is_reducible(fraction):
        return False
    top, bottom = fraction.args
    assert isinstance(top, Number)
    assert isinstance(bottom, Number)
    return top.value < bottom.value


def is_scientific(formula: Formula) -> int:
    """Whether it has a number from 1 up to 10 times a power of ten."""
    bare = without_sign(formula)
    bare = without_sign(bare.value) if isinstance(bare, Quantity) else bare
    return _is_power_of_ten(bare) or any(map(_is_scientific, parts_of(formula)))


def _is_scientific(formula: Formula) -> bool:
    if not isinstance(formula, Apply) or formula.name != "mul":
        return False
    powers = [one for one in formula.args if _is_power_of_ten(one)] or [
        one for one in formula.args if one == _TEN
    ]
    numbers = [one for one in formula.args if isinstance(one, Number) and one not in powers]
    return len(powers) == 1 and all(1 <= one.value < _TEN.value for one in numbers)


def _is_power_of_ten(formula: Formula) -> bool:
    return isinstance(formula, Apply) and formula.name == "pow" and formula.args[0] == _TEN


def has_pi(formula: Formula) -> int:
    """Whether it contains pi."""
    return Constant("pi") in parts_of(formula)


def _is_sum(formula: Formula) -> bool:
    return isinstance(formula, Apply) and formula.name == "add"


def _factors_of(formula: Formula) -> tuple[Formula, ...]:
    if isinstance(formula, Apply) and formula.name in ("mul", "div"):
        return formula.args if formula.name == "mul" else (formula,)
    return (formula,)


def _base(formula: Formula) -> Formula:
    return formula.args[0] if isinstance(formula, Apply) and formula.name == "pow" else formula
