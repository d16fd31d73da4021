"""`berry train policy`: trains the generator on a run's survivors, pairs or outcomes.

settings.py     options of a training
examples.py     rows of a view as token ids; the split by problem
checks.py       mistakes that would waste hours, found before training
trainers.py     TRL's trainers on token ids, with every step watched
checkpoints.py  the log and the model in a checkpoint
fit.py          trains up to a step, from the last whole checkpoint
held_out.py     the problems kept for evaluation, as a problem source
evaluate.py     pass@k on them, by a run of berry's own
folder.py       the folder of the trained model
manifest.py     training.json: request, result and evaluations
train.py        the whole training
report.py       its result in words and as JSON
"""
