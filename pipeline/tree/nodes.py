"""Steps, rollouts and nodes of a tree, and their counts."""

from dataclasses import dataclass
from enum import StrEnum

ROOT = 0
"""Id of every tree's root, the node with the prompt."""


class Finish(StrEnum):
    """Why an engine stopped sampling."""

    STOP = "stop"
    """The model ended its response or sampled a stop string: the response is complete."""
    STEP = "step"
    """The requested steps ended: the response can continue from here."""
    LENGTH = "length"
    """The token limit was reached: the response is truncated."""
    ABORT = "abort"
    """The engine aborted the request."""
    PRUNED = "pruned"
    """A reward model's score ended the rollout after a step: its outcome is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a response: a run of sampled tokens."""

    token_ids: tuple[int, ...]
    text: str
    logprob: float | None
    """Sum of the sampled tokens' log-probabilities; None if the engine gives none."""
    max_surprisal: float | None = None
    """-log p of the least likely token, in nats; None if the engine gives no log-probabilities."""
    logprobs: tuple[float, ...] | None = None
    """Log-probability of each token; None unless the run stores them (`dataset.token_logprobs`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One sampled continuation, split into steps."""

    steps: tuple[Step, ...]
    finish: Finish
    model_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A step in a tree. Its prefix is the path from the root to the node."""

    id: int
    parent: int | None
    """Id of the parent; None only for the root."""
    slot: int
    """Index among the parent's children, assigned when the rollout is proposed, not when it arrives."""
    step: int
    """Distance from the root; step 0 is the prompt."""
    token_ids: tuple[int, ...]
    """Token ids that this node adds to its parent's prefix."""
    text: str
    logprob: float | None = None
    max_surprisal: float | None = None
    logprobs: tuple[float, ...] | None = None
    finish: Finish | None = None
    """Set on the last node of a rollout, None on all others."""
    model_version: str | None = None
    """Version of the model that sampled the node; None for the prompt."""


@dataclass(slots=True)
class Stats:
    """Monte-Carlo counts of one node, over every rollout that passes through it."""

    visits: int = 0
    trials: int = 0
    """Completed rollouts whose verdict is PASS or FAIL."""
    passes: int = 0
    truncated: int = 0
    """Truncated rollouts, which are not trials."""

    @property
    def value(self) -> float | None:
        """Fraction of trials that passed; None without a trial."""
        return self.passes / self.trials if self.trials else None
