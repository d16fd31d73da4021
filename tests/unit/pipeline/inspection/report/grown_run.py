"""A run with trees of every kind, for tests of the report."""

import random
from pathlib import Path
from typing import Any

from pipeline.prune import PruneConfig, Pruner
from pipeline.records import Failure, Phase, Problem, Trace, trajectories
from pipeline.tree import ROOT, Finish, Tree
from tests.conftest import make_rollout, make_verdict
from tests.runs import write_run
from verifiers import Outcome, Target, Verdict

ROLLOUTS = 4
STRATEGY = {"use": "best_of_n", "rollouts": ROLLOUTS}
_VERDICTS = [
    make_verdict(Outcome.PASS),
    make_verdict(Outcome.PASS),
    make_verdict(Outcome.FAIL),
    make_verdict(Outcome.FAIL),
    Verdict(outcome=Outcome.ABSTAIN, reason="states no answer", no_answer=True),
    make_verdict(Outcome.ERROR),
]


def grown_trace(number: int, *, gold: str = "7", scored: bool = True) -> Trace:
    """Whole rollouts, some with branches, with ends, verdicts and scores of every kind; without a gold
    answer, no verdict."""
    dice = random.Random(number)
    tree = Tree((7, 8), f"problem {number}")
    # Every fifth problem lacks a sample, as after a budget.
    for place in range(ROLLOUTS - (number % 5 == 4)):
        leaf = _roll(tree, ROOT, dice, place, judged=bool(gold))
        if dice.random() < 0.5 and (start := tree.nodes[leaf].parent):
            for _ in range(dice.randint(1, 3)):
                _roll(tree, start, dice, place, judged=bool(gold))
    if scored:
        tree.scores = {node.id: round(dice.random(), 3) for node in tree.nodes[1:]}
        tree.outcome_scores = {leaf: round(dice.random(), 3) for leaf in tree.complete_leaves()}
    tree = tree.sorted()
    found = trajectories(tree)
    failed = number % 7 == 6
    return Trace(
        problem=Problem.create(
            prompt=f"problem {number}", target=Target(kind="math", value=gold), source="file"
        ),
        seed=1,
        tree=tree,
        trajectories=found,
        decisions=Pruner(PruneConfig(max_per_problem=2)).prune(found, tree),
        failures=(Failure(phase=Phase.SAMPLE, type="OSError", message="lost"),) if failed else (),
    )


def write_grown(path: Path, traces: list[Trace], **config: Any) -> Path:
    """Writes the run, with a config that says which rollouts are samples."""
    return write_run(path, traces, strategy=STRATEGY, sampling={"max_tokens": 512}, **config)


def _roll(tree: Tree, start: int, dice: random.Random, place: int, *, judged: bool) -> int:
    steps = [f"{place} {dice.random()}" for _ in range(dice.randint(1, 4))]
    finish = dice.choice([Finish.STOP, Finish.STOP, Finish.STOP, Finish.LENGTH, Finish.PRUNED])
    leaf = tree.add(start, tree.reserve(start, 1), make_rollout(*steps, finish=finish, logprob=-0.5))
    if finish is Finish.PRUNED:
        tree.cut_scores[leaf] = 0.05
    elif finish is Finish.STOP and judged:
        tree.judge(leaf, dice.choice(_VERDICTS))
    return leaf
