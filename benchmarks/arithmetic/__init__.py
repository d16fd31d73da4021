"""Chains of arithmetic, their exact truth, and a real model that gets about half of them right.

Search and labels can be measured here against what is true rather than against another estimate: a
step is right or it is not, which a look at the response tells, and a model that is trained in two
minutes solves problems of ten steps in a tenth of a second. `chains.py` makes the problems, `truth.py`
says which steps are right, `tokenizer.py` and `model.py` make the model, `check.py` measures it in
berry's engine. Nothing here imports torch or vLLM before it is called.
"""
