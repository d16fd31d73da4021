"""Compares two answers as what they are: values with values, sets with sets, equations up to a factor.

The result is YES, NO or UNKNOWN with a reason. UNKNOWN never stands for either of the others.
"""

from collections.abc import Callable

from verifiers.formulas.comparison import ATOMS, Comparer, Comparison, Context, no, unknown
from verifiers.formulas.nodes import (
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
from verifiers.formulas.regions import Region
from verifiers.formulas.rules.others import compare_cases, compare_congruences, compare_orderings
from verifiers.formulas.rules.relations import (
    compare_assignments,
    compare_equations,
    compare_families,
    compare_inequalities,
    compare_named,
)
from verifiers.formulas.rules.sets import (
    compare_items,
    compare_matrices,
    compare_named_sets,
    compare_regions,
)
from verifiers.formulas.rules.values import compare_quantities, compare_values
from verifiers.formulas.rules.words import compare_numerals, compare_ratios, compare_words
from verifiers.formulas.statements import (
    Assignment,
    Contradiction,
    Equation,
    Family,
    Inequality,
    Named,
    Ordering,
    Structure,
)
from verifiers.formulas.structures import structure_of

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
"""The first whose kind one of the two answers is; values for all else."""


_IN_EXPRESSIONS = (*ATOMS, Quantity)


def compare(gold: Formula, answer: Formula, context: Context) -> Comparison:
    """Compares what was read. Raises TooLarge where a value cannot be computed, and Unreadable."""
    return _ByRules(context).compare(structure_of(gold), structure_of(answer))


class _ByRules(Comparer):
    def compare(self, gold: Structure, answer: Structure) -> Comparison:
        """By the rule for the kind of the two."""
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
    """Whether an expression has something in it that has no value, such as `2 (1, 2)`."""
    if not isinstance(structure, Apply):
        return False
    return any(
        _has_foreign_parts(part) or not isinstance(part, _IN_EXPRESSIONS) for part in structure.args
    )
