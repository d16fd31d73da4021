"""A pair of gold answer and response, and short names to write many of them."""

from dataclasses import dataclass

from verifiers import Outcome

PASS, FAIL, ABSTAIN = Outcome.PASS, Outcome.FAIL, Outcome.ABSTAIN
Pairs = dict[str, tuple[tuple[str, str], ...]]
"""Kind -> (gold, answer) of each pair."""


@dataclass(frozen=True)
class Pair:
    gold: str
    response: str
    outcome: Outcome
    why: str
    """The argument for the outcome: mathematics, or a rule of docs/math.md."""
    prompt: str = ""


@dataclass(frozen=True)
class Convention(Pair):
    """Whether mathematics alone leaves the outcome open, so that a default decides."""

    other: str = ""
    """The argument for another outcome."""


def box(answer: str) -> str:
    """A response that ends with this answer in a box."""
    return rf"Putting both together we find $\boxed{{{answer}}}$."
