"""Trains reward models on the trees of runs.

settings.py     options of a training
examples.py     labelled responses as token ids, positions and targets; the split by problem
checks.py       problems that would waste hours, checked before training
checkpoints.py  which checkpoints are whole
weights.py      the files of a model's weights, readable for those who load it
trainer.py      transformers' Trainer with the loss at labelled positions
train.py        the whole training: a base model and labelled responses in, a model's folder out
"""
