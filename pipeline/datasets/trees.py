"""Keeps `from pipeline.datasets.trees import read_trace` alive; the view is in `views/trees.py`."""

from pipeline.datasets.views.trees import read_trace, read_traces

__all__ = ["read_trace", "read_traces"]
