"""Trees of every shape that a search can leave behind, for property tests."""

from dataclasses import dataclass

from hypothesis import strategies as st

from pipeline.tree import Finish, Tree
from tests.conftest import make_rollout
from verifiers import Outcome, Verdict


@dataclass(frozen=True)
class Grown:
    """A rollout of a tree: below which of the nodes that can go on, and what it is."""

    below: int
    steps: list[str]
    finish: Finish
    outcome: Outcome | None
    logprob: float | None
    score: float | None


_ROLLOUTS = st.lists(
    st.builds(
        Grown,
        below=st.integers(0, 1000),
        steps=st.lists(st.text("ab\n", min_size=1, max_size=3), min_size=1, max_size=4),
        finish=st.sampled_from([Finish.STOP] * 4 + [f for f in Finish if f is not Finish.STOP]),
        outcome=st.none() | st.sampled_from([Outcome.PASS, Outcome.FAIL, *Outcome]),
        logprob=st.none() | st.floats(-9, 0, width=32),
        score=st.none() | st.floats(0, 1, width=32),
    ),
    max_size=14,
)


def _grow(rollouts: list[Grown], seed: int) -> Tree:
    tree = Tree([7, 8], "ask", seed)
    for rollout in rollouts:
        open_nodes = [node.id for node in tree.nodes if node.finish in (None, Finish.STEP)]
        parent = open_nodes[rollout.below % len(open_nodes)]
        made = make_rollout(*rollout.steps, finish=rollout.finish, logprob=rollout.logprob)
        leaf = tree.add(parent, tree.reserve(parent, 1), made)
        if rollout.finish is Finish.STOP and rollout.outcome is not None:
            tree.judge(leaf, _verdict(rollout.outcome, rollout.steps))
        if rollout.score is not None:
            _score(tree, leaf, rollout.score)
    return tree.sorted()


def _score(tree: Tree, leaf: int, score: float) -> None:
    """Scores the last step: that ended what was pruned; of the rest the first step went on in spite."""
    tree.scores[leaf] = score
    if tree.nodes[leaf].finish is Finish.STOP:
        tree.outcome_scores[leaf] = score
    at = leaf if tree.nodes[leaf].finish is Finish.PRUNED else tree.rollout(leaf)[0].id
    tree.cut_scores[at] = score


def _verdict(outcome: Outcome, steps: list[str]) -> Verdict:
    return Verdict(
        outcome=outcome,
        reason="a reason",
        extracted=steps[-1].strip() or None,
        no_answer=outcome is Outcome.ABSTAIN and not steps[-1].strip(),
        evidence={"steps": steps, "nested": {"b": 1.5, "a": None}},
        verifier="test",
        version="1",
    )


trees = st.builds(_grow, _ROLLOUTS, st.integers(0, 2**63 - 1))
"""Finished trees, some of nothing but a root."""
