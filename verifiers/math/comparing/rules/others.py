"""Rules for orderings, congruences and functions by cases."""

from collections.abc import Sequence
from fractions import Fraction

from verifiers.math.comparing.comparison import Comparer, Comparison, all_equal, no, unknown, yes
from verifiers.math.equality.equality import Equal
from verifiers.math.equality.exact_values import exact_or_none
from verifiers.math.forms.nodes import Cases, Congruence, Formula, Items, Variable, Words
from verifiers.math.meaning.regions import Region, complement, joined
from verifiers.math.meaning.statements import Named, Ordering, Structure
from verifiers.math.meaning.structures import named_value, region_of, structure_of


def compare_orderings(gold: Structure, answer: Structure, comparer: Comparer) -> Comparison:
    """Compares `a < b < c` and `c > b > a` term by term."""
    if not (isinstance(gold, Ordering) and isinstance(answer, Ordering)):
        return unknown("an ordering is compared with something else")
    if gold.closed != answer.closed:
        return no("another ordering")
    pairs = zip(gold.sides, answer.sides, strict=True)
    found = [comparer.compare(structure_of(ours), structure_of(theirs)).equal for ours, theirs in pairs]
    return all_equal(found, "the same ordering", "another ordering")


def compare_congruences(gold: Structure, answer: Structure, comparer: Comparer) -> Comparison:
    """Compares residues for the same modulus; the side that names the number may be missing."""
    if not (isinstance(gold, Congruence) and isinstance(answer, Congruence)):
        return unknown("a congruence is compared with something else")
    modulus, other = exact_or_none(gold.modulus), exact_or_none(answer.modulus)
    if gold.modulus != answer.modulus:
        known = modulus is not None and other is not None
        return no("another modulus") if known else unknown("the moduli could not be compared")
    if gold.left is not None and answer.left is not None and gold.left != answer.left:
        both_names = isinstance(gold.left, Variable) and isinstance(answer.left, Variable)
        return no("another name") if both_names else unknown("the left sides could not be compared")
    ours, theirs = _residues(gold.right, modulus), _residues(answer.right, modulus)
    if ours is None or theirs is None:
        return comparer.compare(structure_of(gold.right), structure_of(answer.right))
    return yes("the same residues") if ours == theirs else no("other residues")


def _residues(formula: Formula, modulus: Fraction | None) -> frozenset[Fraction] | None:
    items = formula.items if isinstance(formula, Items) and not formula.left else (formula,)
    values = [exact_or_none(item) for item in items]
    if not modulus or any(value is None or value.denominator != 1 for value in values):
        return None
    return frozenset(value % modulus for value in values if value is not None)


def compare_cases(gold: Structure, answer: Structure, comparer: Comparer) -> Comparison:
    """Compares values under equal conditions; the order of the cases does not count."""
    ours, theirs = (named_value(one) for one in (gold, answer))
    if not (isinstance(ours, Cases) and isinstance(theirs, Cases)):
        return unknown("a function by cases is compared with something else")
    if len(ours.rows) != len(theirs.rows):
        return unknown("functions with different numbers of cases")
    found = []
    left = list(zip(_conditions(theirs), theirs.rows, strict=True))
    for condition, (value, _) in zip(_conditions(ours), ours.rows, strict=True):
        same = [one for one in left if _same_condition(condition, one[0], comparer)]
        if len(same) != 1:
            return unknown("the cases have other conditions")
        left.remove(same[0])
        found.append(comparer.compare(structure_of(value), structure_of(same[0][1][0])).equal)
    return all_equal(found, "the same values in every case", "another value in a case")


def _same_condition(gold: Structure, answer: Structure, comparer: Comparer) -> bool:
    if isinstance(gold, Words) or isinstance(answer, Words):
        return gold == answer
    return comparer.compare(gold, answer).equal is Equal.YES


def _conditions(cases: Cases) -> Sequence[Structure]:
    """The conditions, with "otherwise" resolved if the others are regions."""
    conditions = [structure_of(condition) for _, condition in cases.rows]
    others = [one for one in conditions if not isinstance(one, Words)]
    regions = [region_of(named_value(one)) for one in others]
    names = {one.name for one in others if isinstance(one, Named)}
    known = [region for region in regions if region is not None]
    if len(conditions) - len(others) != 1 or len(known) < len(regions) or len(names) != 1:
        return conditions
    rest: Region = complement(joined(known, union=True))
    return [Named(next(iter(names)), rest) if isinstance(one, Words) else one for one in conditions]
