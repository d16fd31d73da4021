"""The parts of a round. Each is a class that a config names by `use`; `kinds.py` has their contract."""
