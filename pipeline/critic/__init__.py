"""A language model that reads a response and says which of its steps is the first wrong one.

asking.py     the question, and what counts as an answer to it
critics.py    `critic` and `self_critic`: its opinions as scores of steps
"""
