"""Rules for values, with and without units."""

from fractions import Fraction
from typing import Any

from verifiers.math.comparing.comparison import ATOMS, Comparer, Comparison, no, unknown, yes
from verifiers.math.equality.equality import Equal, real_value, same_value
from verifiers.math.equality.exact_values import exact_or_none
from verifiers.math.equality.numeric import TooLarge, variables
from verifiers.math.forms.conventions import Conventions
from verifiers.math.forms.nodes import (
    Apply,
    Constant,
    Formula,
    Number,
    Quantity,
)
from verifiers.math.forms.units import CELSIUS, CURRENCY_SIGNS, DEGREE, FAHRENHEIT, POUND, Unit
from verifiers.math.meaning.statements import Structure
from verifiers.math.meaning.structures import structure_of
from verifiers.math.reading.building import in_base_units

_SAME_WORDS = (
    {CURRENCY_SIGNS["£"].dimensions, POUND.dimensions},
    {DEGREE.dimensions, CELSIUS.dimensions},
    {DEGREE.dimensions, FAHRENHEIT.dimensions},
)
"""Units with ambiguous names: pounds (money, weight), degrees (angles, temperatures)."""


def compare_quantities(gold: Structure, answer: Structure, comparer: Comparer) -> Comparison:
    """Compares values with their units; whether other counted things are the same is unknown."""
    (_, unit), (_, other_unit) = _split(gold), _split(answer)
    found = _compare_with_units(gold, answer, comparer)
    if found.equal is Equal.YES and not _may_count_the_same(unit, other_unit):
        return unknown("the numbers are equal, what is counted may not be")
    if found.equal is Equal.NO and _may_be_unit(unit, other_unit):
        return unknown("an unknown unit is compared with another one")
    return found


def _may_be_unit(one: Unit, other: Unit) -> bool:
    """Whether one has a unit of measurement, and the other a word that may be a unit."""
    known, unknown_unit = (one, other) if one.measures else (other, one)
    named = unknown_unit.noun and not unknown_unit.measures
    return bool(known.measures and named and len(unknown_unit.noun) <= _LONGEST_UNIT)


_LONGEST_UNIT = 4
"""Longest word that may be an unlisted unit, in letters."""


def _compare_with_units(gold: Structure, answer: Structure, comparer: Comparer) -> Comparison:
    (value, unit), (other, other_unit) = _split(gold), _split(answer)
    if unit.percent != other_unit.percent:
        return _compare_percent(value, unit, other, other_unit, comparer)
    if unit.measures and other_unit.measures:
        if _measure(unit) == _measure(other_unit):
            return comparer.compare(value, other)
        if {unit.dimensions, other_unit.dimensions} in _SAME_WORDS:
            return comparer.compare(value, other)
        if unit.dimensions != other_unit.dimensions:
            return no("a unit of another dimension")
        return compare_values(_in_base_units(value, unit), _in_base_units(other, other_unit), comparer)
    if unit.measures != other_unit.measures:
        return _compare_with_missing_unit(value, unit, other, other_unit, comparer)
    return comparer.compare(value, other)


def _measure(unit: Unit) -> object:
    """The unit without the thing that is measured."""
    return unit.dimensions, unit.factor, unit.half_turns


def _split(structure: Structure) -> tuple[Structure, Unit]:
    if isinstance(structure, Quantity):
        return structure_of(structure.value), structure.unit
    return structure, Unit()


def _compare_percent(
    value: Structure, unit: Unit, other: Structure, other_unit: Unit, comparer: Comparer
) -> Comparison:
    figure = {"value": False, "figure": True, "question": comparer.context.percent_is_figure}
    if figure[comparer.context.conventions.percent] and not (unit.measures or other_unit.measures):
        same = comparer.compare(value, other)
        if same.equal is not Equal.NO:
            return same
    return compare_values(_in_base_units(value, unit), _in_base_units(other, other_unit), comparer)


def _compare_with_missing_unit(
    value: Structure, unit: Unit, other: Structure, other_unit: Unit, comparer: Comparer
) -> Comparison:
    angle = [one for one in (unit, other_unit) if one.half_turns]
    demanded = comparer.context.conventions.degrees if angle else comparer.context.conventions.units
    if demanded == "demanded" and unit.measures:
        same = no("the answer states no unit")
    elif angle and angle[0].half_turns and _has_pi(other if unit.measures else value):
        same = no("a number of radians is compared with degrees")
    else:
        same = comparer.compare(value, other)
    if same.equal is Equal.NO and angle:
        turned = _in_base_units(value, unit), _in_base_units(other, other_unit)
        if compare_values(*turned, comparer).equal is Equal.YES:
            return yes("the same angle")
    return same


def _has_pi(structure: Structure) -> bool:
    """Whether it contains pi, as angles in radians do."""
    if isinstance(structure, Apply):
        return any(map(_has_pi, structure.args))
    return structure == Constant("pi")


def _in_base_units(value: Structure, unit: Unit) -> Structure:
    return in_base_units(value, unit) if isinstance(value, ATOMS) else value


def _may_count_the_same(one: Unit, other: Unit) -> bool:
    """Whether two nouns may denote the same thing; either side may omit the noun.

    A noun in place of a unit may be an unknown unit.
    """
    for unit, counted in ((one, other), (other, one)):
        if unit.measures and counted.noun and not counted.measures:
            return False
    words = [{word.rstrip("s") for word in unit.noun.split()} for unit in (one, other)]
    if all(words) and (words[0] ^ words[1]) & {"square", "cubic"}:
        return False
    return words[0] <= words[1] or words[1] <= words[0]


def compare_values(gold: Structure, answer: Structure, comparer: Comparer) -> Comparison:
    if not (isinstance(gold, ATOMS) and isinstance(answer, ATOMS)):
        return no("an answer of another kind")
    found = same_value(gold, answer)
    if found is Equal.YES:
        return yes("equal values")
    if found is Equal.UNKNOWN:
        return unknown("the values could not be compared")
    if variables(gold) or variables(answer):
        return no("not equal")
    return _close_enough(gold, answer, comparer.context.conventions) or no("another value")


def _close_enough(gold: Formula, answer: Formula, conventions: Conventions) -> Comparison | None:
    """Applies the conventions on decimals, which concern only real constants that differ."""
    try:
        ours, theirs = real_value(gold), real_value(answer)
    except TooLarge:
        return None  # they differ, and no decimal is this large
    if ours is None or theirs is None:
        return None
    difference = abs(ours - theirs)
    decimal, other_decimal = _decimal(gold), _decimal(answer)
    if decimal is not None and _rounds(gold, answer, conventions):
        last, places, digits = decimal
        sharp = (places >= 2 and digits >= 2) or digits >= 3
        if sharp and difference <= _like(last, ours) / 2:
            return yes("rounds to the gold answer")
    least = conventions.approximate_digits
    if other_decimal is not None and least and _is_endless(gold):
        last, _, digits = other_decimal
        unit = _like(last, ours)
        cut_off = abs(theirs) < abs(ours) and difference < unit
        if digits >= least and (cut_off or difference <= unit / 2):
            return yes(f"agrees with the exact gold answer in {digits} digits")
    tolerance = conventions.relative_tolerance
    if (
        tolerance
        and (decimal or other_decimal)
        and difference <= tolerance * max(abs(ours), abs(theirs))
    ):
        return yes("within the tolerance")
    return None


def _rounds(gold: Formula, answer: Formula, conventions: Conventions) -> bool:
    if conventions.rounding == "decimals":
        return True
    return conventions.rounding == "exact_forms" and _is_endless(answer)


def _decimal(formula: Formula) -> tuple[Fraction, int, int] | None:
    """One unit of the last place, places and significant digits of a decimal; None for anything else.

    Places are digits after the point; those of `1.5 * 10^3` are those of 1.5.
    """
    if isinstance(formula, Apply) and formula.name == "neg":
        return _decimal(formula.args[0])
    if isinstance(formula, Apply) and formula.name == "mul" and len(formula.args) == 2:
        mantissa, scale = formula.args
        factor, inner = exact_or_none(scale), _decimal(mantissa)
        if inner is None or factor is None or not _is_power_of_ten(scale):
            return None
        return inner[0] * factor, inner[1], inner[2]
    if not isinstance(formula, Number) or formula.places is None:
        return None
    scaled = abs(formula.value) * 10**formula.places
    return Fraction(1, 10**formula.places), formula.places, len(str(int(scaled))) if scaled else 0


def _is_power_of_ten(formula: Formula) -> bool:
    return (
        isinstance(formula, Apply) and formula.name == "pow" and formula.args[0] == Number(Fraction(10))
    )


def _is_endless(formula: Formula) -> bool:
    """Whether an exact form has no finite decimal expansion; a form with decimals is not exact."""
    if has_decimals(formula):
        return False
    value = exact_or_none(formula)
    if value is None:
        return True
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return rest > 1


def has_decimals(formula: Formula) -> bool:
    """Whether it contains a number written as a decimal."""
    if isinstance(formula, Apply):
        return any(map(has_decimals, formula.args))
    return isinstance(formula, Number) and formula.places is not None


def _like(value: Fraction, number: Any) -> Any:
    """The value in the number type of `number`."""
    return number * 0 + value.numerator / (number * 0 + value.denominator)
