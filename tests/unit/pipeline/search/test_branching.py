"""Where branching by entropy branches."""

import pytest

from pipeline.search.branching import Branching
from pipeline.tree import ROOT, Finish, Rollout, Step, Tree


def tree_of(*logprobs: list[float]) -> Tree:
    """One rollout, of steps with these log-probabilities of tokens."""
    steps = [
        Step(
            token_ids=tuple(range(len(values))),
            text="x" * len(values),
            logprob=sum(values),
            max_surprisal=-min(values),
        )
        for values in logprobs
    ]
    tree = Tree([1], "ask")
    rollout = Rollout(steps=tuple(steps), finish=Finish.STOP, model_version="test")
    tree.add(ROOT, tree.reserve(ROOT, 1), rollout)
    return tree


@pytest.mark.parametrize(("unit", "before"), [("step", 3), ("token", 2)])
def test_it_branches_before_the_most_uncertain_step_or_token(unit: str, before: int) -> None:
    """The second step is sure but for one token, the third is unsure throughout."""
    tree = tree_of([-0.1], [-0.1, -0.1, -0.1, -3.0], [-1.0, -1.0], [-0.1])
    config = {"rollouts": 1, "where": "entropy", "unit": unit, "points": 1, "branches": 1}
    (expansion,) = Branching(Branching.Config.model_validate(config)).propose(tree, [])
    assert tree.nodes[expansion.parent].step == before - 1
