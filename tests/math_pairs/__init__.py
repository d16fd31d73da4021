"""Pairs of gold answer and response, each with the right verdict and the reason why it is right.

`PAIRS` holds, by kind, pairs that mathematics and the rules of docs/math.md decide. `CONVENTIONS` holds
pairs that mathematics leaves open: the default outcome, and arguments for another one. No pair was made
by running a verifier.
"""

from tests.math_pairs.choice_labels import CHOICE_LABELS
from tests.math_pairs.conventions import CONVENTIONS
from tests.math_pairs.expressions import EXPRESSION_PAIRS
from tests.math_pairs.near_misses import NEAR_MISSES
from tests.math_pairs.notation import NOTATION
from tests.math_pairs.numbers import NUMBERS
from tests.math_pairs.pair import ABSTAIN, FAIL, PASS, Convention, Pair
from tests.math_pairs.places import PLACES
from tests.math_pairs.sets import SETS_TO_INTERVALS
from tests.math_pairs.units import UNITS
from tests.math_pairs.words import WORD_PAIRS

__all__ = ["ABSTAIN", "CONVENTIONS", "FAIL", "PAIRS", "PASS", "Convention", "Pair"]

PAIRS: dict[str, tuple[Pair, ...]] = {
    **NUMBERS,
    **NOTATION,
    **EXPRESSION_PAIRS,
    **SETS_TO_INTERVALS,
    **UNITS,
    **WORD_PAIRS,
    **PLACES,
    **NEAR_MISSES,
    **CHOICE_LABELS,
}
