"""Reward models: how good is each step so far? `records.py` says what one is asked and answers.

The package knows nothing of trees and engines; the pipeline asks it (`pipeline/scoring.py`).
"""

from reward_models.records import RewardModel, Score, Steps

__all__ = ["RewardModel", "Score", "Steps"]
