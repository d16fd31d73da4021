"""Compares two answers by their kinds: values with values, sets with sets, equations up to a factor.

The result is YES, NO or UNKNOWN with a reason. UNKNOWN never stands for either of the others.
"""

from collections.abc import Callable

from verifiers.math.comparing.comparison import ATOMS, Comparer, Comparison, Context, no, unknown
from verifiers.math.comparing.rules.others import compare_cases, compare_congruences, compare_orderings
from verifiers.math.comparing.rules.relations import (
    compare_assignments,
    compare_equations,
    compare_families,
    compare_inequalities,
    compare_named,
)
from verifiers.math.comparing.rules.sets import (
    compare_items,
    compare_matrices,
    compare_named_sets,
    compare_regions,
)
from verifiers.math.comparing.rules.values import compare_quantities, compare_values
from verifiers.math.comparing.rules.words import compare_numerals, compare_ratios, compare_words
from verifiers.math.forms.nodes import (
    Apply,
    Cases,
    Congruence,
    Formula,
    Items,
    Matrix,
    NamedSet,
    Numeral,
    Quantity,
    Ratio,
    Words,
)
from verifiers.math.meaning.regions import Region
from verifiers.math.meaning.statements import (
    Assignment,
    Contradiction,
    Equation,
    Family,
    Inequality,
    Named,
    Ordering,
    Structure,
)
from verifiers.math.meaning.structures import structure_of

Rule = Callable[[Structure, Structure, Comparer], Comparison]
_RULES: tuple[tuple[type, Rule], ...] = (
    (Assignment, compare_assignments),
    (Family, compare_families),
    (Cases, compare_cases),
    (Named, compare_named),
    (Ordering, compare_orderings),
    (Congruence, compare_congruences),
    (Words, compare_words),
    (Equation, compare_equations),
    (Inequality, compare_inequalities),
    (Region, compare_regions),
    (NamedSet, compare_named_sets),
    (Matrix, compare_matrices),
    (Items, compare_items),
    (Quantity, compare_quantities),
    (Numeral, compare_numerals),
    (Ratio, compare_ratios),
)
"""The first rule whose kind either answer has applies; otherwise values are compared."""


_IN_EXPRESSIONS = (*ATOMS, Quantity)


def compare(gold: Formula, answer: Formula, context: Context) -> Comparison:
    """Compares two formulas. Raises Unreadable, and TooLarge if a value cannot be computed."""
    return _ByRules(context).compare(structure_of(gold), structure_of(answer))


class _ByRules(Comparer):
    def compare(self, gold: Structure, answer: Structure) -> Comparison:
        """Applies the rule for the kind of the two."""
        if isinstance(gold, Contradiction):
            return unknown("the gold answer states an equality that does not hold")
        if isinstance(answer, Contradiction):
            return no("the answer states an equality that does not hold")
        if _has_foreign_parts(gold) or _has_foreign_parts(answer):
            return unknown("operations on lists or words are not computed")
        for kind, rule in _RULES:
            if isinstance(gold, kind) or isinstance(answer, kind):
                return rule(gold, answer, self)
        return compare_values(gold, answer, self)


def _has_foreign_parts(structure: Structure) -> bool:
    """Whether an expression contains something without a value, such as `2 (1, 2)`."""
    if not isinstance(structure, Apply):
        return False
    return any(
        _has_foreign_parts(part) or not isinstance(part, _IN_EXPRESSIONS) for part in structure.args
    )
