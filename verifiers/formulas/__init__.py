"""Mathematical answers as people and models write them: read, and compared as what they are.

    quick.py        plain numbers, without any of the rest
    decide.py       one pair of answers, by these steps:
    layout.py         0. the same signs in another layout; times.py and choices.py for what they name
    notation.py       1. Unicode and LaTeX layout into plain LaTeX; idioms.py, wording.py and prose.py
                         for words
    grammar.py        2. tokens.py, atoms.py: plain LaTeX into a Formula of nodes.py
    structures.py     3. what the formula says: a value, a name's value, an equation, a region
    compare.py        4. by the rule of its kind (rules/); equality.py decides whether values are equal
    by_sympy.py       5. sums, integrals and limits, by math-verify's grammar and sympy

No text is ever evaluated as code.
"""
