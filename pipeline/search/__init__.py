"""Strategies decide where a tree grows next; `strategy.py` has their protocol."""

from pipeline.search.strategy import STRATEGIES, Expansion, Strategy

__all__ = ["STRATEGIES", "Expansion", "Strategy"]
