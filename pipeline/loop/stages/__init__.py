"""The parts of a round. Each is a class that a config names by `use`; `pipeline.loop.work` has their
contract."""
