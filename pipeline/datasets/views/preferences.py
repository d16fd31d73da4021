"""The view `preferences`: pairs of a better and a worse text after the same prompt.

Two kinds of pairs. `answer`: two responses to a problem, of which one passed and one failed. `step`:
the best and the worst of the steps that follow the same prefix; the prompt ends at the branch (as in
Step-DPO, Lai et al., 2024, arXiv:2406.18629).

A score is a probability, so that a margin means the same everywhere. A response's score is the
probability that all its steps are right (0 if it failed); with a vote, the fraction of the responses
that give its answer. A step's score is the posterior mean of its pass rate, from the Jeffreys prior
Beta(1/2, 1/2) and the rollouts that sampled the step or started at its end: with few of them it is
close to 1/2, so that the margin is small.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from pipeline.datasets.views.columns import (
    LABEL_SOURCE,
    PROBLEM,
    chat_column,
    problem_columns,
    tree_source_columns,
)
from pipeline.datasets.views.rules import PairKind, PreferenceOptions, ViewRules
from pipeline.datasets.views.view import View
from pipeline.labels.first_error import Trials
from pipeline.labels.majority import is_voted, vote_share
from pipeline.labels.soundness import Soundness
from pipeline.labels.values import prefix_trials
from pipeline.records import Trace
from pipeline.tree import ROOT, Tree

_TOKENS = pa.list_(pa.int32())
_SCHEMA = pa.schema(
    [
        *((name, kind) for name, kind in PROBLEM if name != "prompt"),
        ("kind", pa.string()),
        ("prompt", pa.string()),
        ("chosen", pa.string()),
        ("rejected", pa.string()),
        ("prompt_messages", dict(PROBLEM)["prompt"]),
        ("prompt_token_ids", _TOKENS),
        ("chosen_token_ids", _TOKENS),
        ("rejected_token_ids", _TOKENS),
        ("chosen_score", pa.float32()),
        ("rejected_score", pa.float32()),
        ("margin", pa.float32()),
        ("chosen_node", pa.int32()),
        ("rejected_node", pa.int32()),
        ("step", pa.int32()),
        *LABEL_SOURCE,
        ("chosen_model_version", pa.string()),
        ("rejected_model_version", pa.string()),
        ("seed", pa.int64()),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """One of the texts that follow a prefix."""

    nodes: tuple[int, ...]
    """A node of each different tokenization, the first of its prefix."""
    score: float
    """Posterior mean of its pass rate."""

    @property
    def node(self) -> int:
        """The node that stands for it."""
        return self.nodes[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A prefix and the different steps that follow it."""

    prefix: int
    """The node at whose end they begin; the first of its prefix."""
    steps: tuple[NextStep, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """Two texts after the same prefix."""

    kind: PairKind
    prefix: int
    """The node at whose end both begin."""
    chosen: int
    """The node at which the better text ends."""
    rejected: int
    chosen_score: float
    rejected_score: float

    @property
    def margin(self) -> float:
        return self.chosen_score - self.rejected_score


def preference_rows(trace: Trace, rules: ViewRules) -> Iterator[dict[str, object]]:
    """A row for each pair with a margin that is large enough; first answers, then steps."""
    options = rules.views.preferences
    for kind, pairs in (("answer", _answer_pairs), ("step", _step_pairs)):
        if kind in options.kinds:
            yield from (_row(trace, pair) for pair in _best(pairs(trace.tree), options))


def _best(pairs: Iterable[_Pair], options: PreferenceOptions) -> list[_Pair]:
    """The pairs with the largest margins."""
    good = [pair for pair in pairs if pair.margin >= options.min_margin and pair.margin > 0]
    good.sort(key=lambda pair: (-pair.margin, pair.chosen, pair.rejected))
    return good[: options.max_per_problem]


def _answer_pairs(tree: Tree) -> Iterator[_Pair]:
    """Pairs of a passed and a failed response, the surest first; each text is in one pair only."""
    leaves = _different(tree, tree.complete_leaves())
    passed = [leaf for leaf in leaves if tree.passed(leaf)]
    failed = [leaf for leaf in leaves if tree.passed(leaf) is False]
    scores = _vote_fractions(tree) if is_voted(tree) else _soundness(tree, passed)
    passed.sort(key=lambda leaf: (-scores[leaf], leaf))
    for chosen, rejected in zip(passed, failed, strict=False):
        yield _Pair(
            kind="answer",
            prefix=ROOT,
            chosen=chosen,
            rejected=rejected,
            chosen_score=scores[chosen],
            rejected_score=scores.get(rejected, 0.0),
        )


def _different(tree: Tree, leaves: Iterable[int]) -> list[int]:
    """The first leaf of each different response."""
    return list({tree.response(leaf): leaf for leaf in reversed(list(leaves))}.values())[::-1]


def _soundness(tree: Tree, passed: Iterable[int]) -> dict[int, float]:
    """For each passed response, the probability that all its steps are right; 0 if unknown."""
    soundness = Soundness(tree)
    return {leaf: soundness.of_response(leaf) or 0.0 for leaf in passed}


def _vote_fractions(tree: Tree) -> dict[int, float]:
    """For each response, the fraction of votes for its answer; of an answer that did not win, of the
    responses that give the same text."""
    texts = Counter(verdict.extracted for verdict in tree.verdicts.values())
    fractions = {}
    for leaf, verdict in tree.verdicts.items():
        fraction = vote_share(verdict) if tree.passed(leaf) else None
        fractions[leaf] = (
            texts[verdict.extracted] / len(tree.verdicts) if fraction is None else fraction
        )
    return fractions


def _step_pairs(tree: Tree) -> Iterator[_Pair]:
    """At each branch, the best and the worst step."""
    for branch in branches(tree):
        scores = {step.node: step.score for step in branch.steps}
        chosen = max(scores, key=lambda node: (scores[node], -node))
        rejected = min(scores, key=lambda node: (scores[node], node))
        yield _Pair(
            kind="step",
            prefix=branch.prefix,
            chosen=chosen,
            rejected=rejected,
            chosen_score=scores[chosen],
            rejected_score=scores[rejected],
        )


def branches(tree: Tree) -> Iterator[Branch]:
    """Every prefix that is followed by different steps, with the steps' scores."""
    trials = prefix_trials(tree)
    for prefix in range(len(tree)):
        if tree.same_prefix(prefix)[0] != prefix:
            continue
        steps = _next_steps(tree, prefix)
        if len(steps) < 2:
            continue
        yield Branch(
            prefix=prefix,
            steps=tuple(
                NextStep(nodes=tuple(nodes), score=_pass_rate([trials[node] for node in nodes]))
                for nodes in steps
            ),
        )


def _next_steps(tree: Tree, prefix: int) -> list[list[int]]:
    """For each different text that follows the prefix, a node of each different tokenization."""
    by_text: defaultdict[str, set[int]] = defaultdict(set)
    for twin in tree.same_prefix(prefix):
        for child in tree.children(twin):
            by_text[tree.nodes[child].text].add(tree.same_prefix(child)[0])
    return [sorted(nodes) for nodes in by_text.values()]


def _pass_rate(trials: Iterable[Trials]) -> float:
    """Posterior mean of a pass rate."""
    counts = list(trials)
    passes, fails = sum(one.passes for one in counts), sum(one.fails for one in counts)
    return (passes + 0.5) / (passes + fails + 1)


def _row(trace: Trace, pair: _Pair) -> dict[str, object]:
    tree = trace.tree
    prefix = tree.path(pair.prefix)
    columns: dict[str, object] = {
        **problem_columns(trace),
        "kind": pair.kind,
        "prompt": "".join(node.text for node in prefix),
        "prompt_messages": tree.chat and chat_column(tree.chat.messages),
        "prompt_token_ids": [token for node in prefix for token in node.token_ids],
        "margin": pair.margin,
        "step": tree.nodes[pair.prefix].step + 1 if pair.kind == "step" else None,
        **tree_source_columns(tree),
    }
    for side, node_id, score in (
        ("chosen", pair.chosen, pair.chosen_score),
        ("rejected", pair.rejected, pair.rejected_score),
    ):
        own = tree.path(node_id)[len(prefix) :]
        columns |= {
            side: "".join(node.text for node in own),
            f"{side}_token_ids": [token for node in own for token in node.token_ids],
            f"{side}_score": score,
            f"{side}_node": node_id,
            f"{side}_model_version": own[-1].model_version,
        }
    return columns


PREFERENCES = View(
    name="preferences",
    about="pairs of a better and a worse response, or of two steps at a branch",
    needs="a problem with a better and a worse response or step, further apart than `min_margin`",
    schema=_SCHEMA,
    rows=preference_rows,
)
