"""A language model that names the first wrong step of a response.

asking.py     the question, and the form of its answer
critics.py    `critic` and `self_critic`: opinions as step scores
"""
