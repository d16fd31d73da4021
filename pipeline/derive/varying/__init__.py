"""`berry vary`: new problems from a run's verified solutions.

settings.py     the options
originals.py    the problems of the run that have a verified solution
candidates.py   a candidate, and those that templates give: other numbers, compositions
proposing.py    rewrites and compositions that the run's own model writes
screening.py    drops what repeats another problem, and questions of test sets
checking.py     lets the model answer the candidates, and keeps those that are well posed
running.py      the runs in between, each a `berry run` of its own
vary.py         all of it, resumable
report.py       what it says
"""
