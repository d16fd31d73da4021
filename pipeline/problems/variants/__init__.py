"""Variants of problems whose gold answer is computed again: other numbers, and compositions.

mentions.py      the numbers in a problem's text, and which of them may change
constants.py     numbers that a story gives in words or by its units
calculations.py  the calculations of a worked solution
template.py      a problem as a template: which number of the text each calculation uses
drawing.py       other numbers for a template
programs.py      a template as a program, run in the sandbox
making.py        the variants of problems, in blocks
source.py        a problem source with the variants of each problem after it
composing.py     a problem in which the answer of another is one of the numbers
"""
