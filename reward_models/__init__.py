"""Reward models: they score each step of a response. `records.py` defines the input and the output.

The package is independent of trees and engines; the pipeline calls it
(`pipeline/dispatch/scoring.py`).
"""

from reward_models.records import RewardModel, RewardModelBase, Score, Steps

__all__ = ["RewardModel", "RewardModelBase", "Score", "Steps"]
