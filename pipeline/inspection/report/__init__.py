"""The report of a run: one HTML file for a person who has to decide whether to train on its data.

figures.py   all numbers of the report; `berry report --json` prints them
trees/       those that follow from the trees
findings.py  what speaks against training on the data
samples.py   the sample problems
drawing.py   the charts
page.py      the file
"""
