"""Derives a view from the stored trees of a run, without running a model."""
