"""`berry eval`: how good the answers of a run are if they are chosen from N samples in some way.

design.py       which rollouts of a problem are its samples
samples.py      their outcomes and scores, from the problem's tree
curves.py       accuracy against N, by method
outputs.py      the table, metrics.jsonl and the plots
trained.py      what a model says of itself: its labels, and problems it has seen
evaluate.py     the whole of it

And with `--on FILE` how well scores find the first wrong step, on responses that people have labelled:

labelled.py         the files of such responses
on_labels.py        scores them, and works out the figures
labels_outputs.py   the tables, metrics.jsonl and the plot
"""
