"""`berry train`: trains a reward model on the step labels of runs."""
