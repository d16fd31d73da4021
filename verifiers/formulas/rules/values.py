"""Rules for values, with and without units."""

from fractions import Fraction
from typing import Any

from verifiers.formulas.comparison import ATOMS, Comparer, Comparison, no, unknown, yes
from verifiers.formulas.conventions import Conventions
from verifiers.formulas.equality import Equal, real_value, same_value
from verifiers.formulas.exact_values import exact_or_none
from verifiers.formulas.nodes import (
    Apply,
    Constant,
    Formula,
    Number,
    Quantity,
)
from verifiers.formulas.numeric import variables
from verifiers.formulas.structures import (
    Structure,
    structure_of,
)
from verifiers.formulas.units import Unit, find_unit

_POUNDS = {find_unit("£"), find_unit("pound")}
"""Of money and of weight: the same word."""


def compare_quantities(gold: Structure, answer: Structure, comparer: Comparer) -> Comparison:
    (value, unit), (other, other_unit) = _split(gold), _split(answer)
    if unit.percent != other_unit.percent:
        return _compare_percent(value, unit, other, other_unit, comparer)
    if unit.measures and other_unit.measures:
        if {unit, other_unit} == _POUNDS:
            return comparer.compare(value, other)
        if unit.dimensions != other_unit.dimensions:
            return no("a unit of another dimension")
        if unit == other_unit:
            return comparer.compare(value, other)
        return compare_values(_in_base_units(value, unit), _in_base_units(other, other_unit), comparer)
    if unit.measures != other_unit.measures:
        return _compare_with_missing_unit(value, unit, other, other_unit, comparer)
    return comparer.compare(value, other)


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
    else:
        same = comparer.compare(value, other)
    if same.equal is Equal.NO and angle:
        turned = _in_base_units(value, unit), _in_base_units(other, other_unit)
        if compare_values(*turned, comparer).equal is Equal.YES:
            return yes("the same angle")
    return same


def _in_base_units(value: Structure, unit: Unit) -> Structure:
    if not isinstance(value, ATOMS):
        return value
    factors: list[Formula] = [value, Number(unit.factor)]
    turn = Apply("div", (Constant("pi"), Number(Fraction(180))))
    factors += [turn] * unit.half_turns
    return Apply("mul", tuple(factors))


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
    """The conventions on decimals, which only apply to real constants that differ."""
    ours, theirs = real_value(gold), real_value(answer)
    if ours is None or theirs is None:
        return None
    difference = abs(ours - theirs)
    decimal, other_decimal = _decimal(gold), _decimal(answer)
    if decimal is not None and _rounds(gold, answer, conventions):
        places, digits = decimal
        if (places >= 2 or digits >= 3) and difference <= _unit_of(places, ours) / 2:
            return yes("rounds to the gold answer")
    least = conventions.approximate_digits
    if other_decimal is not None and least and _is_endless(gold):
        places, digits = other_decimal
        unit = _unit_of(places, ours)
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


def _decimal(formula: Formula) -> tuple[int, int] | None:
    """(digits after the point, significant digits) of a number written as a decimal."""
    if isinstance(formula, Apply) and formula.name == "neg":
        return _decimal(formula.args[0])
    if not isinstance(formula, Number) or formula.places is None:
        return None
    scaled = abs(formula.value) * 10**formula.places
    return formula.places, len(str(int(scaled))) if scaled else 0


def _is_endless(formula: Formula) -> bool:
    """Whether an exact form has no finite decimal expansion; one with decimals in it is not exact."""
    if _has_decimals(formula):
        return False
    value = exact_or_none(formula)
    if value is None:
        return True
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return rest > 1


def _has_decimals(formula: Formula) -> bool:
    if isinstance(formula, Apply):
        return any(map(_has_decimals, formula.args))
    return isinstance(formula, Number) and formula.places is not None


def _unit_of(places: int, like: Any) -> Any:
    """One unit of the last of so many places, as a number of the kind of `like`."""
    return like * 0 + Fraction(1, 10**places).numerator / (like * 0 + 10**places)
