"""Writes and reads a run's data: rows, the run folder with its journal, the dataset card."""
