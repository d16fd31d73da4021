"""Base classes for strategies, with the defaults of their optional attributes.

A strategy does not have to extend them: `border.py` reads the same attributes of any class.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from pipeline.search import Expansion
from pipeline.tree import Tree


class StrategyConfig(BaseModel):
    """Options of a strategy."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    def needs_logprobs(self) -> bool:
        """Whether the strategy uses the tokens' log-probabilities with these options."""
        return False


class StrategyBase(ABC):
    """Decides where a tree grows next; see `pipeline.search.Strategy`."""

    needs_scores: ClassVar[bool] = False
    """Whether it uses step scores, which requires a process reward model."""
    needs_pauses: ClassVar[bool] = False
    """Whether it searches step by step, which requires steps after which an engine can pause."""

    @property
    def fixed_rollouts(self) -> int | None:
        """Number of whole rollouts, sampled regardless of outcomes; None if no number is fixed."""
        return None

    @abstractmethod
    def propose(self, tree: Tree, pending: Sequence[Expansion]) -> list[Expansion]:
        """The next expansions. The search ends when none is proposed and none is pending."""
