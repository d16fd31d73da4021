"""What a strategy's own thinking costs, by the size of the tree.

Expansions come back one at a time, in any order, as they do in a run. The time of one call of
`propose` should follow what came back and what is under way, not what the tree has grown to.
"""

import time
from random import Random
from statistics import median
from typing import Any

from benchmarks.measure import Measured
from pipeline.config import KINDS
from pipeline.search import Expansion, Strategy
from pipeline.tree import Finish, Rollout, Step, Tree
from verifiers import Outcome, Verdict

_SIZES = (10, 100, 1_000, 10_000)
_MOST_GROWTH = 50.0
"""Of the time for a call while trees grow a thousandfold. Not 1: `pending` is a list that is read, and
branching has thousands of expansions under way in the largest tree."""
_MAX_STEPS = 9


def _sections(size: int) -> list[dict[str, Any]]:
    """Every strategy with options by which its tree gets about so many nodes."""
    return [
        {"use": "best_of_n", "rollouts": size},
        {"use": "branching", "rollouts": max(1, size // 30), "where": "steps"},
        {"use": "math_shepherd", "rollouts": max(1, size // 100), "completions": 8},
        {"use": "omega", "rollouts": max(8, size // 400), "searches": size},
        {"use": "epic", "rollouts": max(8, size // 30), "passes": 1, "least": 16},
        {"use": "mcts", "rollouts": size, "in_flight": 8},
        {"use": "beam", "rollouts": 4 * max(1, size // 32)},
        {"use": "adaptive", "rollouts": max(1, size // 30), "confidence": 0.999, "probes": 1_000},
    ]


def cost_of_proposals() -> tuple[list[Measured], str]:
    """A row and a line of the table for each strategy."""
    times: dict[str, list[float]] = {}
    for size in _SIZES:
        for section in _sections(size):
            times.setdefault(section["use"], []).append(_microseconds(section, size))
    rows = [
        Measured(
            what=f"{name}: time for a proposal at 10,000 nodes against 10",
            figures=f"{found[-1]:,.0f} and {found[0]:,.0f} microseconds",
            ratio=f"{found[-1] / found[0]:.1f}",
            goal=f"at most {_MOST_GROWTH:g}",
            met=found[-1] / found[0] <= _MOST_GROWTH,
        )
        for name, found in times.items()
    ]
    lines = [
        f"| {name} | " + " | ".join(f"{t:,.1f}" for t in found) + " |" for name, found in times.items()
    ]
    head = [
        "## Cost of thinking",
        "Median microseconds of one call of `propose`, by the nodes of the tree, while expansions come",
        "back one by one.",
        "",
        "| strategy | " + " | ".join(f"{size:,} nodes" for size in _SIZES) + " |",
        "|---|" + "---|" * len(_SIZES),
    ]
    return rows, "\n".join([*head, *lines])


def _microseconds(section: dict[str, Any], size: int) -> float:
    """Median time of a proposal while the tree grows from half of `size` nodes to it."""
    strategy: Strategy = KINDS["strategy"].part(section).build()
    random, tree, times = Random(0), Tree([1], "ask"), []
    under_way: list[tuple[Expansion, int]] = []
    while True:
        pending = [expansion for expansion, _ in under_way]
        start = time.perf_counter()
        proposed = strategy.propose(tree, pending)
        if len(tree) >= size / 2:
            times.append(time.perf_counter() - start)
        under_way += [(e, tree.reserve(e.parent, e.num_rollouts)) for e in proposed]
        if not under_way or len(tree) > size:
            break
        _answer(tree, *under_way.pop(random.randrange(len(under_way))), random)
    if not times:
        raise RuntimeError(f"{section}: the search ended at {len(tree)} nodes, expected {size}")
    return median(times) * 1e6


def _answer(tree: Tree, expansion: Expansion, slot: int, random: Random) -> None:
    for index in range(expansion.num_rollouts):
        num_steps = max(1, random.randint(4, _MAX_STEPS) - tree.nodes[expansion.parent].step)
        finish = Finish.STOP
        if expansion.num_steps is not None and expansion.num_steps < num_steps:
            num_steps, finish = expansion.num_steps, Finish.STEP
        texts = [f"{random.random()}" for _ in range(num_steps)]
        steps = tuple(Step(token_ids=tuple(text.encode()), text=text, logprob=-1.0) for text in texts)
        rollout = Rollout(steps=steps, finish=finish, model_version="")
        leaf = tree.add(expansion.parent, slot + index, rollout)
        tree.scores |= {node.id: random.random() for node in tree.rollout(leaf)}
        if finish is Finish.STOP:
            outcome = Outcome.PASS if random.random() < 0.4 else Outcome.FAIL
            tree.judge(leaf, Verdict(outcome=outcome, reason="", verifier="", version=""))
