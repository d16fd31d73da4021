"""Training reward models on what a search found.

settings.py     how one is trained
examples.py     labelled responses as token ids, places and targets; the split by problem
checks.py       what would waste hours, found before they are spent
trainer.py      transformers' Trainer with the loss at labelled places
train.py        the whole of it: a base model and labelled responses in, a model's folder out
"""
