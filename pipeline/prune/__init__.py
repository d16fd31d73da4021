"""Pruning keeps the trajectories worth training on; `pruner.py` applies the rules in order."""

from pipeline.prune.pruner import PruneConfig, Pruner

__all__ = ["PruneConfig", "Pruner"]
