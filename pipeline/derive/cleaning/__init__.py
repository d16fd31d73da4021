"""`berry clean`: a run without what the rules over all problems drop.

clean.py       the main path: finds what to drop, and writes the new run folder
rules.py       the rules of a run, a file and the command line
find_drops.py  applies the rules of `pipeline.hygiene` to a run
survey.py      reads what they need to know of the trees
part.py        writes one part
report.py      says what was dropped
"""
