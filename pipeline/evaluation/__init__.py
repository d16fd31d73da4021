"""`berry eval`: how good the answers of a run are if they are chosen from N samples in some way.

samples.py      a problem's samples and scores, from its tree
curves.py       accuracy against N, by method
outputs.py      the table, metrics.jsonl and the plots
evaluate.py     the whole of it
"""
