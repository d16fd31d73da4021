"""Evaluates methods of choosing answers, and the scores they use.

choosing.py     accuracy of pass@k, best-of-N and votes, over N samples of a problem
quality.py      ranking and calibration of scores as probabilities
first_errors.py how well scores find the first wrong step
bootstrap.py    confidence intervals for these figures, by resampling problems
"""
