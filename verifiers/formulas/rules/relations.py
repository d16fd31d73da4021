"""Rules for what is named, and for equations and inequalities."""

from fractions import Fraction

from verifiers.formulas.comparison import ATOMS, Comparer, Comparison, no, unknown, yes
from verifiers.formulas.equality import Equal, constant_ratio
from verifiers.formulas.exact_values import exact_or_none
from verifiers.formulas.nodes import (
    Apply,
    Formula,
    Number,
    Relation,
    Variable,
)
from verifiers.formulas.numeric import variables
from verifiers.formulas.structures import (
    Equation,
    Inequality,
    Named,
    Structure,
    named_value,
    region_of,
    structure_of,
)


def compare_named(gold: Structure, answer: Structure, comparer: Comparer) -> Comparison:
    if isinstance(gold, Equation) or isinstance(answer, Equation):
        return compare_equations(_as_equation(gold), _as_equation(answer), comparer)
    if isinstance(gold, Named) and isinstance(answer, Named) and not _may_share(gold, answer):
        return no(f"{answer.name} is named in place of {gold.name}")
    return comparer.compare(named_value(gold), named_value(answer))


def _may_share(gold: Named, answer: Named) -> bool:
    """Whether names can be for one thing: `y = 2x` and `f(x) = 2x`, but not `x = 5` and `y = 5`."""
    if gold.name.replace(" ", "") == answer.name.replace(" ", ""):
        return True
    names = {gold.name, answer.name}
    return any("(" in name for name in names) and all(name == "y" or "(" in name for name in names)


def _as_equation(structure: Structure) -> Structure:
    if isinstance(structure, Named) and isinstance(structure.value, ATOMS):
        name: Formula = Variable(structure.name)
        return Equation(Apply("add", (name, Apply("neg", (structure.value,)))))
    return structure


def compare_equations(gold: Structure, answer: Structure, comparer: Comparer) -> Comparison:
    if not (isinstance(gold, Equation) and isinstance(answer, Equation)):
        return no("an equation is compared with something else")
    found, _ = constant_ratio(gold.difference, answer.difference)
    if found is Equal.YES:
        return yes("the same equation, up to a factor")
    if found is Equal.NO:
        return no("another equation")
    return unknown("it cannot be told whether the equations are the same")


def compare_inequalities(gold: Structure, answer: Structure, comparer: Comparer) -> Comparison:
    if not (isinstance(gold, Inequality) and isinstance(answer, Inequality)):
        ours = [_solved(one) for one in (gold, answer)]
        if None not in ours:
            return comparer.compare(ours[0], ours[1])  # type: ignore[arg-type]  # None is excluded
        return no("an inequality is compared with something else")
    if gold.strict != answer.strict:
        return no("one inequality is strict, the other is not")
    found, sign = constant_ratio(gold.difference, answer.difference)
    if found is Equal.UNKNOWN:
        return unknown("it cannot be told whether the inequalities are the same")
    return yes("the same inequality") if found is Equal.YES and sign > 0 else no("another inequality")


def _solved(structure: Structure) -> Structure | None:
    """The solutions of an inequality that is linear in one variable."""
    if not isinstance(structure, Inequality):
        return region_of(structure)
    names = variables(structure.difference)
    if len(names) != 1:
        return None
    values = {
        at: exact_or_none(_put(structure.difference, Fraction(at))) for at in (-9, -1, 0, 1, 2, 7)
    }
    known = {at: value for at, value in values.items() if value is not None}
    if len(known) < len(values):
        return None
    intercept, slope = known[0], known[1] - known[0]
    if slope == 0 or any(value != intercept + at * slope for at, value in known.items()):
        return None

    sign = (">" if slope > 0 else "<") + ("" if structure.strict else "=")
    boundary = Number(-intercept / slope)
    return structure_of(Relation((Variable(next(iter(names))), boundary), (sign,)))


def _put(formula: Formula, value: Fraction) -> Formula:
    if isinstance(formula, Variable):
        return Number(value)
    if isinstance(formula, Apply):
        return Apply(formula.name, tuple(_put(argument, value) for argument in formula.args))
    return formula
