"""Measurements of what carries a run on many machines: the driver, the workers, the files."""
