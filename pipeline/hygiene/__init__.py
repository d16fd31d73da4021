"""Rules over all problems of a run: contamination, duplicates, difficulty and balance.

Pruning decides about the responses to one problem; these rules compare problems with each other and
with test sets. Every rule gives a reason for what it drops.

rules.py            the options of all rules
words.py            the words and numbers of a text
contamination.py    compares problems with test sets
duplicates.py       finds exact and near duplicates; signatures.py makes what they are found by
difficulty.py       a window of pass rates, and a limit for groups of problems
question_columns.py guesses the columns of a test set's file
drops.py            what the rules drop, and why
"""
