"""The view `backtracking`: a wrong branch of the model's own, the notice of it, and the way back.

splices.py    which branches of a tree a chain is made of
chains.py     a chain as spans of tokens, with what is trained on, and its rows
rows.py       the columns of the views
sampling.py   samples the notice and the way to the end at the splice; verifies and scores it
generator.py  the engine and the verifier, from the run's config
tails.py      how likely the ends of chains are to the model: what a splice costs
tables.py     the files: the chains and, beside them, their controls
writing.py    the export, and what it reports
"""
