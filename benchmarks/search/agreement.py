"""What the solver's own log-probabilities and the search's own weights are worth, by known truth.

labels      of steps that rollouts and the reward model `confidence` agree on, against as many of
            which the rollouts are surest
answers     chosen by `confidence`, against one sample and the majority
responses   of `adaptive`, weighed by how likely they were to be sampled, against fresh samples
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from statistics import mean, stdev

import numpy as np

from benchmarks.measure import Measured, spread
from benchmarks.search.solvers import Solver, search
from pipeline.dispatch.scoring import as_float32, steps_of
from pipeline.labels.majority import sampling_weights
from pipeline.labels.step_labels import DEFAULT, label_tree
from pipeline.records import Trace
from pipeline.search.budget import BudgetConfig
from pipeline.tree import ROOT, Tree
from reward_models.aggregate import aggregate
from reward_models.confidence import Confidence
from reward_models.evaluation.choosing import best_of_n, vote

_CONSENSUS = 0.9
CAPTION = f"""The reward model `confidence` scores a step by the geometric mean of its tokens'
probabilities. Step labels are those of `adaptive`'s first 8 whole rollouts, right from a probability
of 0.5 on; agreed are those that `labels.consensus={_CONSENSUS}` leaves; the surest are as many whose
probability is furthest from 0.5. Answers are chosen from N samples of the same problems. Median and
range of three seeds."""
_WHOLE = 8
"""Whole rollouts of a problem whose steps are labelled."""
_N = (4, 16)
_EVEN = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Of one seed."""

    accuracy: float
    """Share of all steps whose label by the rollouts alone is true."""
    share_agreed: float
    accuracy_agreed: float
    accuracy_surest: float
    """Of as many steps of which the rollouts are surest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Share of problems whose chosen answer is right, of one seed: by way and number of samples."""

    right: Mapping[tuple[str, int], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """Share of responses that pass, of one seed."""

    counted: float
    weighed: float
    fresh: float
    """Of whole rollouts, as many of each problem: what the solver does by itself."""


async def measure(
    solver: Solver, num_problems: int, seeds: Sequence[int]
) -> tuple[list[Agreement], list[Choice], list[Sampled]]:
    """All three, for each seed."""
    agreed, chosen, sampled = [], [], []
    for seed in seeds:
        problems = solver.problems(seed, num_problems)
        searched = await search(solver, {"use": "adaptive"}, BudgetConfig(), problems, seed)
        fresh = await search(
            solver, {"use": "best_of_n", "rollouts": max(_N)}, BudgetConfig(), problems, seed + 1000
        )
        for trace in (*searched, *fresh):
            _score(trace)
        agreed.append(_agreement(solver, searched))
        chosen.append(_choice(fresh))
        sampled.append(_sampled(searched, fresh))
    return agreed, chosen, sampled


def compare(
    solver: Solver, agreed: Sequence[Agreement], chosen: Sequence[Choice], sampled: Sequence[Sampled]
) -> list[Measured]:
    """The goals: better than without, with every seed."""
    gains = [one.accuracy_agreed - one.accuracy_surest for one in agreed]
    few, many = _N
    best = [one.right["confidence", few] - one.right["majority", few] for one in chosen]
    noise = stdev(one.right["one sample", many] for one in chosen)
    return [
        Measured(
            what=f"{solver.name}: accuracy of step labels that rollouts and `confidence` agree on, of "
            "as many of which rollouts are surest",
            figures=f"{spread([one.accuracy_agreed for one in agreed], 3)}; "
            f"{spread([one.accuracy_surest for one in agreed], 3)}",
            ratio=f"{min(gains):+.3f} at the worst",
            goal="over 0 with every seed",
            met=min(gains) > 0,
        ),
        Measured(
            what=f"{solver.name}: share right of the surest of {few} samples, of their majority",
            figures=f"{spread([one.right['confidence', few] for one in chosen], 3)}; "
            f"{spread([one.right['majority', few] for one in chosen], 3)}",
            ratio=f"{mean(best):+.3f}; one sample's varies by {noise:.3f} over seeds",
            goal="more than that over it",
            met=mean(best) > noise,
        ),
        Measured(
            what=f"{solver.name}: share right of adaptive's responses by `sampling_weight`, of fresh "
            "samples",
            figures=f"{spread([one.weighed for one in sampled], 3)}; "
            f"{spread([one.fresh for one in sampled], 3)} (counted alike: "
            f"{spread([one.counted for one in sampled], 3)})",
            ratio=f"{max(abs(one.weighed - one.fresh) for one in sampled):.3f} apart at the most",
            goal="at most 0.05 apart",
            met=max(abs(one.weighed - one.fresh) for one in sampled) <= 0.05,
        ),
    ]


def table(solver: Solver, agreed: Sequence[Agreement], chosen: Sequence[Choice]) -> str:
    """What is not among the goals, as Markdown."""
    rows = [
        f"| rollouts alone | 1 | {spread([one.accuracy for one in agreed], 3)} |",
        f"| agreed | {spread([one.share_agreed for one in agreed], 3)} | "
        f"{spread([one.accuracy_agreed for one in agreed], 3)} |",
        f"| surest | the same | {spread([one.accuracy_surest for one in agreed], 3)} |",
    ]
    ways = dict.fromkeys(way for way, _ in chosen[0].right)
    choices = [
        f"| {way} | " + " | ".join(spread([one.right[way, n] for one in chosen], 3) for n in _N) + " |"
        for way in ways
    ]
    return "\n".join(
        [
            f"### {solver.name}",
            "| step labels | share of the steps | accuracy |",
            "|---|---|---|",
            *rows,
            "",
            "| chosen by | " + " | ".join(f"N = {n}" for n in _N) + " |",
            "|---|" + "---|" * len(_N),
            *choices,
        ]
    )


def _score(trace: Trace) -> None:
    """Puts the solver's confidence into the tree as scores."""
    tree, model = trace.tree, Confidence(Confidence.Config())
    paths = [tree.path(leaf)[1:] for leaf in tree.leaves()]
    scores = model.score([steps_of(trace.problem.prompt, tree, path) for path in paths])
    for path, score in zip(paths, scores, strict=True):
        for node, value in zip(path, score.values, strict=True):
            if value is not None:
                tree.scores[node.id] = as_float32(value)


def _agreement(solver: Solver, traces: Sequence[Trace]) -> Agreement:
    found: list[tuple[bool, float, bool]] = []
    rules = DEFAULT.model_copy(update={"consensus": _CONSENSUS})
    for trace in traces:
        tree = trace.tree
        whole = {tree.leaf_of(c) for c in tree.children(ROOT) if tree.nodes[c].slot < _WHOLE}
        for plain, strict in zip(label_tree(tree, DEFAULT), label_tree(tree, rules), strict=True):
            known = solver.true_steps(tree, plain.leaf) if plain.leaf in whole else None
            if known is None:
                continue
            # The truth leaves out the last step, the answer.
            for truth, one, other in zip(known, plain.steps, strict.steps, strict=False):
                if one.p_correct is not None:
                    found.append((truth, one.p_correct, other.p_correct is not None))
    truths, rights, agreed = (np.array(values) for values in zip(*found, strict=True))
    is_true = (rights >= _EVEN) == truths
    sureness = np.abs(rights - _EVEN)
    surest = np.argsort(-sureness, kind="stable")[: agreed.sum()]
    return Agreement(
        accuracy=float(is_true.mean()),
        share_agreed=float(agreed.mean()),
        accuracy_agreed=float(is_true[agreed].mean()),
        accuracy_surest=float(is_true[surest].mean()),
    )


def _choice(traces: Sequence[Trace]) -> Choice:
    found: dict[tuple[str, int], list[float]] = {}
    for trace in traces:
        tree = trace.tree
        leaves = tree.leaves()
        right = [tree.passed(leaf) is True for leaf in leaves]
        scores = [
            aggregate("min", [tree.scores.get(node.id) for node in tree.path(leaf)[1:]])
            for leaf in leaves
        ]
        answers = _answers(tree, leaves)
        for n in _N:
            found.setdefault(("one sample", n), []).append(mean(right))
            found.setdefault(("majority", n), []).append(vote(answers, right, n, Random(0)))
            found.setdefault(("confidence", n), []).append(best_of_n(scores, right, n))
    return Choice(right={key: mean(values) for key, values in found.items()})


def _answers(tree: Tree, leaves: Sequence[int]) -> list[int | None]:
    """Classes of equal answers: those that the verifier read as the same text."""
    verdicts = [tree.verdicts.get(leaf) for leaf in leaves]
    texts = [None if verdict is None else verdict.extracted for verdict in verdicts]
    classes = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    return [None if text is None else classes[text] for text in texts]


def _sampled(searched: Sequence[Trace], fresh: Sequence[Trace]) -> Sampled:
    passed, weights = [], []
    for trace in searched:
        of_node = sampling_weights(trace.tree)
        for leaf in trace.tree.leaves():
            if (outcome := trace.tree.passed(leaf)) is not None:
                passed.append(outcome)
                weights.append(of_node[leaf])
    outcomes = [trace.tree.passed(leaf) for trace in fresh for leaf in trace.tree.leaves()]
    return Sampled(
        counted=mean(passed),
        weighed=float(np.average(passed, weights=weights)),
        fresh=mean(outcome for outcome in outcomes if outcome is not None),
    )
