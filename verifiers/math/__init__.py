"""`math`: compares the final answer with the gold answer by meaning, after parsing both.

    verifier.py   the verifier; consensus.py votes if there is no gold answer
    quick.py      plain numbers, without any of the rest
    decide.py     one pair of answers, by these steps:
    asked/          1. does the answer have the form that the problem asks for?
    reading/        2. LaTeX, Unicode and words into a formula (forms/ has the nodes)
    meaning/        3. what the formula states: a value, an equation, a region
    comparing/      4. the rule for its kind; sums, integrals and limits by sympy
    equality/       5. whether two values are equal

No text is ever evaluated as code.
"""

from verifiers.math.verifier import MathVerifier

__all__ = ["MathVerifier"]
