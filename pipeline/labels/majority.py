"""Majority vote for problems without a gold answer: the most common answer replaces it.

After the search, the complete responses vote on the answer (`verifiers/math/consensus.py`), and the
vote's verdicts label steps. A vote takes place only if the problem has neither gold answer nor tests,
and the verifier abstained on every response. A vote shows what most responses agree on, not what is
right, so its verdicts name `consensus` as the verifier, and pruning does not count them as verified.
"""

from typing import Literal

from pydantic import field_validator

from pipeline.records import Problem
from pipeline.tree import Tree
from verifiers import Outcome, Verdict
from verifiers.math.consensus import Consensus, VoteOptions
from verifiers.math.forms.conventions import Conventions
from verifiers.math.verifier import AnswerOptions

VOTE = Consensus.name
"""Name of the verifier in a vote's verdicts."""


class Majority:
    """Lets the responses to a problem without a gold answer vote."""

    class Config(Conventions, AnswerOptions, VoteOptions):
        """Weight of the votes, size of a majority, and equality of answers."""

        use: Literal["off", "plain", "weighted"] = "plain"
        """Votes of the responses: `off`, `plain` gives each complete response one vote, `weighted`
        splits the vote of a prefix equally among its branches."""

        @field_validator("use", mode="before")
        @classmethod
        def _read_off(cls, value: object) -> object:
            # YAML reads an unquoted `off` as false.
            return "off" if value is False else value

    def __init__(self, config: Config) -> None:
        self.config = config
        self.consensus = Consensus(Consensus.Config(**config.model_dump(exclude={"use"})))
        """Groups equal answers."""

    async def vote(self, problem: Problem, tree: Tree) -> None:
        """Adds the vote's verdicts to the tree, if the problem needs a vote."""
        if self.config.use == "off" or not needs_vote(problem, tree):
            return
        voters = tree.complete_leaves()
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
        """Ends the checking processes, if there are any; calling it twice is fine."""
        await self.consensus.close()


def needs_vote(problem: Problem, tree: Tree) -> bool:
    """Whether the answer is unknown: no gold answer, and the verifier abstained on every response."""
    target = problem.target
    if (target.value or "").strip() or target.tests:
        return False
    return all(verdict.outcome is Outcome.ABSTAIN for verdict in tree.verdicts.values())


def sampling_weights(tree: Tree) -> list[float]:
    """For each node, the probability that a random walk from the root reaches it.

    The children of a node are equally likely. So a prefix from which the strategy sampled a hundred
    rollouts counts no more than its sibling with one.
    """
    weights = [1.0] * len(tree)
    for node in tree.nodes:
        for child in tree.children(node.id):
            weights[child] = weights[node.id] / len(tree.children(node.id))
    return weights


def withdraw_votes(tree: Tree) -> None:
    """Removes an earlier vote, so that the tree can grow or be voted on again."""
    for leaf in [leaf for leaf, verdict in tree.verdicts.items() if is_vote(verdict)]:
        tree.withdraw(leaf)


def is_voted(tree: Tree) -> bool:
    """Whether the tree's verdicts come from a vote."""
    return any(map(is_vote, tree.verdicts.values()))


def is_vote(verdict: Verdict | None) -> bool:
    """Whether the verdict comes from a vote rather than a verifier."""
    return verdict is not None and verdict.verifier == VOTE


def vote_share(verdict: Verdict | None) -> float | None:
    """Fraction of the votes for the majority's answer; None without a majority."""
    if verdict is None or not is_vote(verdict):
        return None
    share = verdict.evidence.get("share")
    return share if isinstance(share, float) else None
