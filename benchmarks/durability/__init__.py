"""Faults in a run on several nodes, whose data is compared with that of an undisturbed run."""
