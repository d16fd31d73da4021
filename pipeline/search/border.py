"""Checks strategies, which may be third-party code."""

from dataclasses import dataclass

from pipeline.search import Strategy
from verifiers.attributes import attribute, flag, method
from verifiers.plugins import Part


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyTraits:
    """A strategy's declared requirements; a config that does not meet them is rejected."""

    needs_scores: bool
    """Requires nodes scored by a process reward model."""
    needs_pauses: bool
    """Requires steps after which an engine can pause."""
    needs_logprobs: bool
    """Requires an engine that gives log-probabilities; depends on the strategy's options."""


def check_strategy(part: Part) -> None:
    """Raises ValueError for a class that is not a strategy, or an attribute of a wrong type."""
    if method(part.cls, "propose") is None:
        raise ValueError(f"expected {part.use!r} to be a strategy, with a method `propose`")
    read_strategy(part)


def read_strategy(part: Part) -> StrategyTraits:
    """Reads the attributes of the class and its options. Raises ValueError for a wrong type."""
    try:
        return StrategyTraits(
            needs_scores=flag(part.cls, "needs_scores"),
            needs_pauses=flag(part.cls, "needs_pauses"),
            needs_logprobs=flag(part.options, "needs_logprobs"),
        )
    except ValueError as e:
        raise ValueError(f"expected {part.use!r} to have {e}") from e


def fixed_rollouts(strategy: Strategy) -> int | None:
    """Number of whole rollouts that a strategy samples regardless of outcomes; None if undeclared.

    Raises ValueError unless it is a positive whole number.
    """
    fixed = attribute(strategy, "fixed_rollouts")
    if fixed is not None and (type(fixed) is not int or fixed < 1):
        raise ValueError(f"fixed_rollouts: expected a whole number of 1 or more, got {fixed!r}")
    return fixed
