"""Rules for named values, equations and inequalities."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import get_args

from verifiers.math.comparing.comparison import ATOMS, Comparer, Comparison, all_equal, no, unknown, yes
from verifiers.math.equality.equality import Equal, constant_ratio
from verifiers.math.equality.exact_values import exact_or_none
from verifiers.math.equality.numeric import variables
from verifiers.math.forms.calls import with_calls_named
from verifiers.math.forms.nodes import (
    Apply,
    Constant,
    Formula,
    Items,
    NamedSet,
    Number,
    Quantity,
    Relation,
    Variable,
)
from verifiers.math.meaning.regions import Region
from verifiers.math.meaning.solutions import same_region, same_solutions
from verifiers.math.meaning.statements import (
    Assignment,
    Equation,
    Family,
    Inequality,
    Named,
    Structure,
)
from verifiers.math.meaning.structures import named_value, region_of, structure_of
from verifiers.math.reading.building import negative


def compare_named(gold: Structure, answer: Structure, comparer: Comparer) -> Comparison:
    """A named value equals its value; two names must be the same."""
    answer = _of_the_same_letter(gold, answer)
    if isinstance(gold, Equation) or isinstance(answer, Equation):
        return compare_equations(_as_equation(gold), _as_equation(answer), comparer)
    if isinstance(gold, Named) and isinstance(answer, Named) and not _may_share(gold, answer):
        ours, theirs = _as_equation(gold), _as_equation(answer)
        if isinstance(ours, Equation) and isinstance(theirs, Equation) and _in_variables(gold, answer):
            return compare_equations(ours, theirs, comparer)
        return no(f"{answer.name} is named in place of {gold.name}")
    return comparer.compare(named_value(gold), named_value(answer))


def _of_the_same_letter(gold: Structure, answer: Structure) -> Structure:
    """`f(t) = 2t` as a function of x, if the gold answer is a function of x and the answer has no x."""
    if not (isinstance(gold, Named) and isinstance(answer, Named)):
        return answer
    ours, theirs = _FUNCTION.fullmatch(gold.name), _FUNCTION.fullmatch(answer.name)
    value = answer.value
    if ours is None or theirs is None or ours[1] != theirs[1] or not isinstance(value, (*ATOMS, Items)):
        return answer
    items = value.items if isinstance(value, Items) else (value,)
    used = frozenset().union(*map(variables, items))
    if ours[2] in used or theirs[2] not in used:  # `f(a) = 1` is a value at one point
        return answer
    return Named(gold.name, _put(value, {theirs[2]: Variable(ours[2])}))


_FUNCTION = re.compile(r"([a-zF-HA-D])\(([a-zA-Z])\)")


def _in_variables(*named: Named) -> bool:
    return any(isinstance(one.value, ATOMS) and variables(one.value) for one in named)


def _may_share(gold: Named, answer: Named) -> bool:
    """Whether names can denote the same: `y = 2x` and `f(x) = 2x`, but not `x = 5` and `y = 5`."""
    names = {gold.name.replace(" ", ""), answer.name.replace(" ", "")}
    if len(names) == 1:
        return True
    if all(len(name) == 2 and name.isupper() for name in names):
        return len({frozenset(name) for name in names}) == 1  # a segment, named from either end
    return "y" in names and any("(" in name for name in names)


def _as_equation(structure: Structure) -> Structure:
    if isinstance(structure, Named) and isinstance(structure.value, ATOMS):
        return Equation(Variable(structure.name), structure.value)
    return structure


def compare_assignments(gold: Structure, answer: Structure, comparer: Comparer) -> Comparison:
    """Compares `x = 1, y = 2` by names, or with a tuple in the names' order.

    Names that differ only in their subscripts, such as the roots `x_1, x_2`, have no order in a list.
    """
    if isinstance(gold, Assignment) and isinstance(answer, Assignment):
        return _compare_by_names(gold, answer, comparer)
    other = answer if isinstance(gold, Assignment) else gold
    found = no("values of several names are compared with something else")
    for order in (_by_name, _as_stated):
        ours, theirs = (
            _beside(other, order(one)) if isinstance(one, Assignment) else named_value(one)
            for one in (gold, answer)
        )
        if ours is not None and theirs is not None:
            found = comparer.compare(ours, theirs)
        if found.equal is Equal.YES or not (isinstance(other, Items) and not other.left):
            break
    return found


def _by_name(assignment: Assignment) -> Assignment:
    return Assignment(tuple(sorted(assignment.parts, key=lambda part: part.name)))


def _as_stated(assignment: Assignment) -> Assignment:
    return assignment


def _compare_by_names(gold: Assignment, answer: Assignment, comparer: Comparer) -> Comparison:
    ours, theirs = _by_name(gold), _by_name(answer)
    if [part.name for part in ours.parts] != [part.name for part in theirs.parts]:
        return no("values of other names")
    pairs = zip(ours.parts, theirs.parts, strict=True)
    found = [comparer.compare(named_value(a), named_value(b)).equal for a, b in pairs]
    same = all_equal(found, "the same values", "another value of a name")
    if same.equal is Equal.NO and len(_bases(gold)) == 1:
        lists = [_values(one, "", "") for one in (gold, answer)]
        if None not in lists and comparer.compare(lists[0], lists[1]).equal is Equal.YES:  # type: ignore[arg-type]  # None is excluded
            return unknown("the same values under other subscripts")
    return same


def _beside(other: Structure, assignment: Assignment) -> Structure | None:
    """An assignment's values, in a form comparable with `other`; None if they are not comparable."""
    alike = len(_bases(assignment)) == 1
    if isinstance(other, Named):
        if other.name.startswith("("):
            return _values(assignment, "(", ")")
        return _values(assignment, "", "") if alike and other.name in _bases(assignment) else None
    if isinstance(other, Items):
        if (other.left == "{" and not alike) or not _names_agree(other, assignment):
            return None
        in_order = other.left not in ("", "{") or not alike
        return _values(assignment, "(", ")") if in_order else _values(assignment, "", "")
    return _values(assignment, "", "")


def _names_agree(items: Items, assignment: Assignment) -> bool:
    """Whether no item has a name that differs from that of its counterpart."""
    named = zip(map(structure_of, items.items), assignment.parts, strict=False)
    return all(item.name == part.name for item, part in named if isinstance(item, Named))


def _bases(assignment: Assignment) -> set[str]:
    return {part.name.partition("_")[0] for part in assignment.parts}


def _values(assignment: Assignment, left: str, right: str) -> Items | None:
    values = [part.value for part in assignment.parts if isinstance(part.value, get_args(Formula))]
    return Items(tuple(values), left, right) if len(values) == len(assignment.parts) else None


def compare_families(gold: Structure, answer: Structure, comparer: Comparer) -> Comparison:
    """Compares `k pi, k in Z` and `n pi, n in Z`; a difference is never proven."""
    if not (isinstance(gold, Family) and isinstance(answer, Family)):
        return _compare_with_member(gold, answer, comparer)
    if gold.domain == answer.domain:
        parameter = Variable(gold.parameter)
        integers = gold.domain == NamedSet("Z")
        for one in _renumbered(parameter) if integers else (parameter,):
            renamed = _put(answer.member, {answer.parameter: one})
            if comparer.compare(structure_of(gold.member), structure_of(renamed)).equal is Equal.YES:
                return yes("the same family of values")
    return unknown("it cannot be decided whether the families of values are the same")


def _compare_with_member(gold: Structure, answer: Structure, comparer: Comparer) -> Comparison:
    """Compares `k pi, k in Z` with `n pi`, which implies that n is an integer."""
    family, other = (gold, answer) if isinstance(gold, Family) else (answer, gold)
    value = named_value(other)
    if isinstance(family, Family) and family.domain == NamedSet("Z") and isinstance(value, ATOMS):
        letters = _INTEGERS if family is gold else frozenset([family.parameter])
        for letter in variables(value) & letters:
            member = _put(family.member, {family.parameter: Variable(letter)})
            if comparer.compare(named_value(structure_of(member)), value).equal is Equal.YES:
                return yes("the same family of values")
    return unknown("a family of values is compared with something else")


_INTEGERS = frozenset("klmn")
"""Letters that are integers unless stated otherwise."""


def _renumbered(parameter: Formula) -> Iterator[Formula]:
    """Expressions that run through the integers as the parameter does."""
    for one in (parameter, negative(parameter)):
        for step in (0, 1, -1, 2, -2):
            yield Apply("add", (one, Number(Fraction(step)))) if step else one


def compare_equations(gold: Structure, answer: Structure, comparer: Comparer) -> Comparison:
    """Up to a factor, otherwise by solutions; a value equals an equation that names it."""
    if not (isinstance(gold, Equation) and isinstance(answer, Equation)):
        return _compare_sides(gold, answer, comparer)
    found, _ = constant_ratio(gold.difference, answer.difference)
    if found is Equal.YES:
        return yes("the same equation, up to a factor")
    if found is Equal.NO:
        found = same_solutions(*(with_calls_named(one.difference) for one in (gold, answer)))
    if found is Equal.YES:
        return yes("the same solutions at all points that were tried")
    if found is Equal.NO:
        return no("another equation")
    return unknown("it cannot be decided whether the equations are the same")


def _compare_sides(gold: Structure, answer: Structure, comparer: Comparer) -> Comparison:
    """`m + n = 17` equals 17; `2x = 10` is not shown to be 10, nor a line to be a number."""
    equation, other = (gold, answer) if isinstance(gold, Equation) else (answer, gold)
    assert isinstance(equation, Equation)
    if isinstance(other, Items | NamedSet | Region):
        return unknown("the solutions of an equation are not computed")
    for side, label in ((equation.right, equation.left), (equation.left, equation.right)):
        pair = (structure_of(side), other) if equation is gold else (other, structure_of(side))
        if comparer.compare(*pair).equal is Equal.YES:
            if equation is answer and _is_label(label, side, other):
                return yes("the value that the equation states")
            return unknown("a side of an equation is compared with a value")
    return no("an equation is compared with something else")


def _is_label(label: Formula, side: Formula, other: Structure) -> bool:
    """Whether a side only names the other side: `m + n`, but neither `2x` nor `-x`."""
    if not _is_of_names(label) or (isinstance(label, Apply) and label.name == "neg"):
        return False
    same_name = not isinstance(other, Named) or label == Variable(other.name)
    return same_name and variables(label).isdisjoint(variables(side))


def _is_of_names(formula: Formula) -> bool:
    """Whether an expression contains only names."""
    if isinstance(formula, Apply):
        return all(map(_is_of_names, formula.args))
    return isinstance(formula, Variable | Constant)


def compare_inequalities(gold: Structure, answer: Structure, comparer: Comparer) -> Comparison:
    if not (isinstance(gold, Inequality) and isinstance(answer, Inequality)):
        ours = [_solved(one) for one in (gold, answer)]
        if None not in ours:
            return comparer.compare(ours[0], ours[1])  # type: ignore[arg-type]  # None is excluded
        return _compare_with_region(gold, answer)
    if gold.strict != answer.strict:
        return no("one inequality is strict, the other is not")
    found, sign = constant_ratio(gold.difference, answer.difference)
    if found is Equal.UNKNOWN:
        return unknown("it cannot be decided whether the inequalities are the same")
    return yes("the same inequality") if found is Equal.YES and sign > 0 else no("another inequality")


def _compare_with_region(gold: Structure, answer: Structure) -> Comparison:
    inequality, other = (gold, answer) if isinstance(gold, Inequality) else (answer, gold)
    region = region_of(named_value(other))
    if region is None or not isinstance(inequality, Inequality):
        return no("an inequality is compared with something else")
    found = same_region(inequality.difference, inequality.strict, region)
    if found is Equal.YES:
        return yes("the inequality holds exactly there")
    return no("other solutions") if found is Equal.NO else unknown("the inequality could not be solved")


def _solved(structure: Structure) -> Structure | None:
    """The solutions of an inequality that is linear in one variable."""
    if not isinstance(structure, Inequality):
        return region_of(structure)
    names = variables(structure.difference)
    if len(names) != 1:
        return None
    values = {
        at: exact_or_none(_put(structure.difference, dict.fromkeys(names, Number(Fraction(at)))))
        for at in (-9, -1, 0, 1, 2, 7)
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


def _put(formula: Formula, values: Mapping[str, Formula]) -> Formula:
    """The formula with some of its variables replaced."""
    if isinstance(formula, Variable):
        return values.get(formula.name, formula)
    if isinstance(formula, Quantity):
        return Quantity(_put(formula.value, values), formula.unit)
    if isinstance(formula, Items):
        return replace(formula, items=tuple(_put(item, values) for item in formula.items))
    if isinstance(formula, Relation):
        return replace(formula, sides=tuple(_put(side, values) for side in formula.sides))
    if isinstance(formula, Apply):
        return Apply(formula.name, tuple(_put(argument, values) for argument in formula.args))
    return formula
