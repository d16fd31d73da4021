"""`berry eval`: the accuracy of a run's answers if they are selected from N samples.

design.py       selects the rollouts of a problem that are its samples
samples.py      their outcomes and scores, from the problem's tree
curves.py       accuracy as a function of N, by method
outputs.py      the table, metrics.jsonl and the plots
trained.py      a trained model's manifest: its labels, and the problems it has seen
evaluate.py     the whole evaluation

With `--on FILE`: how well scores find the first wrong step of responses labelled by people:

labelled.py         the files of such responses
on_labels.py        scores them and computes the figures
labels_outputs.py   the tables, metrics.jsonl and the plot
"""
