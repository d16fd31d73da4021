"""How good are answers that are chosen in some way, and the scores that they are chosen by?

choosing.py     accuracy of pass@k, best-of-N and votes, of N samples of a problem
quality.py      of scores as chances: how they rank, how they are calibrated
first_errors.py do they find the first wrong step?
bootstrap.py    how far any of these could be off, by drawing problems again
"""
