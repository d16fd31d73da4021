"""Rules for sets, lists, tuples, matrices and regions of the real line."""

from collections import Counter
from collections.abc import Sequence

from verifiers.math.comparing.comparison import Comparer, Comparison, all_equal, no, unknown, yes
from verifiers.math.comparing.rules.values import has_decimals
from verifiers.math.equality.equality import Equal
from verifiers.math.equality.exact_values import exact_or_none
from verifiers.math.equality.numeric import variables
from verifiers.math.forms.nodes import (
    Apply,
    Formula,
    Items,
    Matrix,
    NamedSet,
)
from verifiers.math.meaning.regions import INFINITY, Region
from verifiers.math.meaning.statements import Structure
from verifiers.math.meaning.structures import named_value, region_of, structure_of

_MOST_COUNTED = 30
"""Longest list whose items are compared pairwise to count them."""
_MOST_COMPARED = 10_000
"""Most pairs of items from two unordered lists that are all compared: one or two seconds."""
_DOTS = Apply("dots", ())


def compare_regions(gold: Structure, answer: Structure, comparer: Comparer) -> Comparison:
    one, other = region_of(gold), region_of(answer)
    if one is None or other is None:
        return no("a set of real numbers is compared with something else")
    if len(one.intervals) != len(other.intervals):
        return no("other intervals")
    found = []
    for ours, theirs in zip(one.intervals, other.intervals, strict=True):
        if (ours.low_closed, ours.high_closed) != (theirs.low_closed, theirs.high_closed):
            return no("an end of an interval belongs to one set only")
        found.append(comparer.compare(ours.low, theirs.low).equal)
        found.append(comparer.compare(ours.high, theirs.high).equal)
    return all_equal(found, "the same intervals", "other ends of an interval")


def compare_named_sets(gold: Structure, answer: Structure, comparer: Comparer) -> Comparison:
    names = [one.name if isinstance(one, NamedSet) else None for one in (gold, answer)]
    if names[0] == names[1]:
        return yes("no solution" if names[0] == "empty" else "the same set")
    if any(isinstance(one, Region) for one in (gold, answer)) and "empty" in names:
        return compare_regions(gold, answer, comparer)
    return no("another set")


def compare_items(gold: Structure, answer: Structure, comparer: Comparer) -> Comparison:
    vectors = [_vector(one) if isinstance(one, Matrix) else one for one in (gold, answer)]
    one, other = (_alone(vector) for vector in vectors)
    if not (isinstance(one, Items) and isinstance(other, Items)):
        if isinstance(one, Items) or isinstance(other, Items):
            return _compare_alternatives(one, other, comparer)
        return comparer.compare(one, other)
    kinds = {_kind(one), _kind(other)}
    if kinds == {"set", "tuple"}:
        return no("a set is compared with a tuple")
    if kinds == {"tuple"} and (one.left, one.right) != (other.left, other.right):
        return no("other brackets")
    if kinds == {"bare", "tuple"} and any(map(_is_infinite, (*one.items, *other.items))):
        return unknown("a list without brackets may be an interval or its ends")
    if "tuple" in kinds and "or" in (one.joiner, other.joiner):
        return no("alternatives are compared with a tuple")
    if "tuple" in kinds or (kinds == {"bare"} and comparer.context.conventions.list_order == "kept"):
        return _compare_in_order(one.items, other.items, comparer)
    found = _compare_unordered(one.items, other.items, comparer)
    if found.equal is Equal.NO and _DOTS in (*one.items, *other.items):
        return unknown("the meaning of the dots is unknown")
    repeats = found.equal is Equal.YES and _kind(one) == "bare"
    if repeats and not _as_often(one.items, other.items, comparer):
        return unknown("the same values, but one list repeats some")
    return found


def _compare_alternatives(one: Structure, other: Structure, comparer: Comparer) -> Comparison:
    """A list and something else: the list may be one value in several notations, as in `1/2 or 0.5`."""
    items, value = (one, other) if isinstance(one, Items) else (other, one)
    if not isinstance(items, Items) or items.left not in ("", "{"):
        return no("a list is compared with something else")
    pairs = [(structure_of(item), value) for item in items.items]
    found = [comparer.compare(*(pair if items is one else pair[::-1])).equal for pair in pairs]
    if set(found) == {Equal.YES} and items is one and _has_several_parts(items):
        return unknown("the gold answer has several parts")
    return all_equal(
        found, "equal in every way it is written", "a list is compared with something else"
    )


def _is_infinite(formula: Formula) -> bool:
    inner = formula.args[0] if isinstance(formula, Apply) and formula.name == "neg" else formula
    return inner == INFINITY


def _has_several_parts(items: Items) -> bool:
    """Whether a list is more than one number in several notations, such as `1/2, 0.5`."""
    repeats = len(set(items.items)) < len(items.items)
    return repeats or (items.joiner != "or" and any(map(variables, items.items)))


def _kind(items: Items) -> str:
    return {"": "bare", "{": "set"}.get(items.left, "tuple")


def _alone(structure: Structure) -> Structure:
    """The only item of a set: `{5}` means 5."""
    if isinstance(structure, Items) and len(structure.items) == 1 and structure.left in ("", "{"):
        return structure_of(structure.items[0])
    return structure


def _vector(matrix: Matrix) -> Structure:
    if len(matrix.rows) == 1:
        return Items(matrix.rows[0], "(", ")")
    if len(matrix.rows[0]) == 1:
        return Items(tuple(row[0] for row in matrix.rows), "(", ")")
    return matrix


def _compare_in_order(
    gold: Sequence[Formula], answer: Sequence[Formula], comparer: Comparer
) -> Comparison:
    if len(gold) != len(answer):
        return no(f"{len(answer)} items, expected {len(gold)}")
    found = [
        comparer.compare(named_value(structure_of(ours)), named_value(structure_of(theirs))).equal
        for ours, theirs in zip(gold, answer, strict=True)
    ]
    return all_equal(found, "equal in every item", "an item differs")


def _compare_unordered(
    gold: Sequence[Formula], answer: Sequence[Formula], comparer: Comparer
) -> Comparison:
    exact = [[exact_or_none(item) for item in items] for items in (gold, answer)]
    if all(None not in values for values in exact):
        if set(exact[0]) == set(exact[1]):
            return yes("the same items")
        if not any(map(has_decimals, (*gold, *answer))):
            return no("other items")
    ours, theirs = list(map(structure_of, gold)), list(map(structure_of, answer))
    # Items that read the same on both sides need no comparison with the others.
    left = [
        [item for item in items if item not in others]
        for items, others in ((ours, theirs), (theirs, ours))
    ]
    if len(left[0]) * len(theirs) + len(left[1]) * len(ours) > _MOST_COMPARED:
        return unknown("too many items in different notations")
    one_way = [_found_in(item, theirs, comparer) for item in left[0]]
    other_way = [_found_in(item, ours, comparer, swapped=True) for item in left[1]]
    return all_equal([*one_way, *other_way], "the same items", "other items")


def _as_often(gold: Sequence[Formula], answer: Sequence[Formula], comparer: Comparer) -> bool:
    """Whether each gold item is in the answer the same number of times, if all of them occur."""
    if len(gold) != len(answer):
        return False
    if Counter(gold) == Counter(answer):
        return True
    values = [[exact_or_none(item) for item in items] for items in (gold, answer)]
    if all(None not in one for one in values):
        return len(set(values[0])) == len(gold) or Counter(values[0]) == Counter(values[1])
    if len(gold) > _MOST_COUNTED:
        return len(set(gold)) == len(set(answer)) == len(gold)
    ours, theirs = list(map(structure_of, gold)), list(map(structure_of, answer))
    return all(_count(item, ours, comparer) == _count(item, theirs, comparer) for item in ours)


def _count(item: Structure, others: Sequence[Structure], comparer: Comparer) -> int:
    return sum(comparer.compare(item, other).equal is Equal.YES for other in others)


def _found_in(
    item: Structure, others: Sequence[Structure], comparer: Comparer, *, swapped: bool = False
) -> Equal:
    best = Equal.NO
    for other in others:
        pair = (other, item) if swapped else (item, other)
        found = comparer.compare(*pair).equal
        if found is Equal.YES:
            return found
        best = Equal.UNKNOWN if found is Equal.UNKNOWN else best
    return best


def compare_matrices(gold: Structure, answer: Structure, comparer: Comparer) -> Comparison:
    if not (isinstance(gold, Matrix) and isinstance(answer, Matrix)):
        return compare_items(gold, answer, comparer) if _is_vector(gold, answer) else no("another kind")
    if _is_vector(gold) and _is_vector(answer):
        return compare_items(gold, answer, comparer)
    if (len(gold.rows), len(gold.rows[0])) != (len(answer.rows), len(answer.rows[0])):
        return no("a matrix of another shape")
    ours = [entry for row in gold.rows for entry in row]
    theirs = [entry for row in answer.rows for entry in row]
    return _compare_in_order(ours, theirs, comparer)


def _is_vector(*structures: Structure) -> bool:
    return all(
        isinstance(one, Items) or (isinstance(one, Matrix) and 1 in (len(one.rows), len(one.rows[0])))
        for one in structures
    )
