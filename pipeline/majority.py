"""Majority vote where a problem has no gold answer: what most rollouts say stands in for it.

After the search the complete responses vote on the answer (`verifiers/consensus.py`), and the vote's
verdicts label steps. It happens only where the verifier has nothing to go by: the problem has neither
gold answer nor tests, and the verifier abstained on every response. A vote says what most responses
agree on, not what is right, so its verdicts carry the name of `consensus`, and pruning does not take
them for verified.
"""

from typing import Literal

from pydantic import field_validator

from pipeline.records import Problem
from pipeline.tree import Finish, Tree
from verifiers import Outcome, Verdict
from verifiers.consensus import Consensus

VOTE = Consensus.name
"""The verifier that a vote's verdicts name."""


class Majority:
    """Lets the responses to a problem without a gold answer vote."""

    class Config(Consensus.Config):
        """Who has how many votes, what makes a majority, and when two answers are equal."""

        use: Literal["off", "plain", "weighted"] = "plain"
        """`plain`: each complete response has one vote; `weighted`: see `sampling_weights`."""

        @field_validator("use", mode="before")
        @classmethod
        def _read_off(cls, value: object) -> object:
            # What YAML makes of an `off` without quotes.
            return "off" if value is False else value

    def __init__(self, config: Config) -> None:
        self.config = config
        shared = config.model_dump(include=set(Consensus.Config.model_fields))
        self.consensus = Consensus(Consensus.Config(**shared))
        """Puts equal answers together."""

    async def vote(self, problem: Problem, tree: Tree) -> None:
        """Puts the vote's verdicts into the tree, if the problem is one to be voted on."""
        if self.config.use == "off" or not needs_vote(problem, tree):
            return
        voters = [leaf for leaf in tree.leaves() if tree.nodes[leaf].finish is Finish.STOP]
        weights = None
        if self.config.use == "weighted":
            of_node = sampling_weights(tree)
            weights = [of_node[leaf] for leaf in voters]
        responses = [tree.response(leaf) for leaf in voters]
        verdicts = await self.consensus.verify_all(problem.prompt, responses, weights)
        for leaf, verdict in zip(voters, verdicts, strict=True):
            tree.withdraw(leaf)
            tree.judge(leaf, verdict)

    async def close(self) -> None:
        """Ends the checking processes, if any answers needed them; calling it twice is fine."""
        await self.consensus.close()


def needs_vote(problem: Problem, tree: Tree) -> bool:
    """Whether nobody knows the answer: neither the problem set nor, on any response, the verifier."""
    target = problem.target
    if (target.value or "").strip() or target.tests:
        return False
    return all(verdict.outcome is Outcome.ABSTAIN for verdict in tree.verdicts.values())


def sampling_weights(tree: Tree) -> list[float]:
    """For each node the probability with which the search would have come to it at random.

    The root has all of it, and the children of a node share theirs equally. So a trajectory counts as
    much as its prefix was likely to be sampled: a prefix from which a hundred rollouts were sampled,
    because the strategy wanted to know more about it, counts no more than its sibling with one.
    """
    weights = [1.0] * len(tree)
    for node in tree.nodes:
        for child in tree.children(node.id):
            weights[child] = weights[node.id] / len(tree.children(node.id))
    return weights


def withdraw_votes(tree: Tree) -> None:
    """Takes an earlier vote back, so that the tree can grow, or be voted on anew."""
    for leaf in [leaf for leaf, verdict in tree.verdicts.items() if is_vote(verdict)]:
        tree.withdraw(leaf)


def is_voted(tree: Tree) -> bool:
    """Whether the tree's verdicts are those of a vote."""
    return any(map(is_vote, tree.verdicts.values()))


def is_vote(verdict: Verdict | None) -> bool:
    """Whether this is a vote's verdict, not a verifier's."""
    return verdict is not None and verdict.verifier == VOTE


def vote_share(verdict: Verdict | None) -> float | None:
    """Share of the votes that the majority's answer has; None where no majority was found."""
    if verdict is None or not is_vote(verdict):
        return None
    share = verdict.evidence.get("share")
    return share if isinstance(share, float) else None
