"""Figures from the trees of a run, counted on flat columns a part at a time.

flat_trees.py  the trees of one part as arrays
tally.py       what is counted over all parts
"""
