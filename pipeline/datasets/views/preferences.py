"""The view `preferences`: pairs of a better and a worse text after the same prompt.

Two kinds of pairs. `answer`: two responses to a problem, of which one passed and one failed. `step`:
two steps from which the search sampled on, after the same prefix; the prompt ends at the branch (as in
Step-DPO, Lai et al., 2024, arXiv:2406.18629).

A score is a probability, so that a margin means the same everywhere. A response's score is the
probability that all its steps are right (0 if it failed); with a vote, the fraction of votes for its
answer. A step's score is the posterior mean of the pass rate of the rollouts through it, from the
Jeffreys prior Beta(1/2, 1/2): steps with few rollouts are close to 1/2, so that their margin is small.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from pipeline.datasets.views.columns import (
    LABEL_SOURCE,
    PROBLEM,
    LabelSource,
    chat_column,
    problem_columns,
)
from pipeline.datasets.views.rules import PairKind, PreferenceOptions, ViewRules
from pipeline.datasets.views.view import View
from pipeline.labels.majority import is_voted, vote_share
from pipeline.labels.soundness import Soundness
from pipeline.records import Trace
from pipeline.tree import Tree

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
    """Pairs of a passed and a failed response, the surest first; each response is in one pair only."""
    soundness, voted = Soundness(tree), is_voted(tree)

    def score(leaf: int) -> float | None:
        return vote_share(tree.verdicts[leaf]) if voted else soundness.of_response(leaf)

    judged = [(leaf, tree.passed(leaf)) for leaf in tree.complete_leaves()]
    passed = [(score(leaf) or 0.0, leaf) for leaf, is_right in judged if is_right]
    passed.sort(key=lambda one: (-one[0], one[1]))
    failed = [leaf for leaf, is_right in judged if is_right is False]
    for (chosen_score, chosen), rejected in zip(passed, failed, strict=False):
        yield _Pair(
            kind="answer",
            prefix=0,
            chosen=chosen,
            rejected=rejected,
            chosen_score=chosen_score,
            rejected_score=1 - chosen_score if voted else 0.0,
        )


def _step_pairs(tree: Tree) -> Iterator[_Pair]:
    """At each branch, the best and the worst step."""
    for prefix in range(len(tree)):
        if tree.same_prefix(prefix)[0] != prefix:
            continue
        steps = _next_steps(tree, prefix)
        if len(steps) < 2:
            continue
        scores = {node: _pass_rate(tree, node) for node in steps}
        chosen = max(steps, key=lambda node: (scores[node], -node))
        rejected = min(steps, key=lambda node: (scores[node], node))
        yield _Pair(
            kind="step",
            prefix=prefix,
            chosen=chosen,
            rejected=rejected,
            chosen_score=scores[chosen],
            rejected_score=scores[rejected],
        )


def _next_steps(tree: Tree, prefix: int) -> list[int]:
    """One node for each different text that follows the prefix, in order of arrival."""
    by_text: defaultdict[str, list[int]] = defaultdict(list)
    for twin in tree.same_prefix(prefix):
        for child in tree.children(twin):
            by_text[tree.nodes[child].text].append(tree.same_prefix(child)[0])
    return [min(nodes) for nodes in by_text.values()]


def _pass_rate(tree: Tree, node_id: int) -> float:
    """Posterior mean of the pass rate of the rollouts through a step."""
    counts = [tree.stats[twin] for twin in tree.same_prefix(node_id)]
    trials, passes = sum(one.trials for one in counts), sum(one.passes for one in counts)
    return (passes + 0.5) / (trials + 1)


def _row(trace: Trace, pair: _Pair) -> dict[str, object]:
    tree = trace.tree
    prefix = tree.path(pair.prefix)
    voted = is_voted(tree)
    votes = [vote_share(verdict) for verdict in tree.verdicts.values()] if voted else []
    columns: dict[str, object] = {
        **problem_columns(trace),
        "kind": pair.kind,
        "prompt": "".join(node.text for node in prefix),
        "prompt_messages": tree.chat and chat_column(tree.chat.messages),
        "prompt_token_ids": [token for node in prefix for token in node.token_ids],
        "margin": pair.margin,
        "step": tree.nodes[pair.prefix].step + 1 if pair.kind == "step" else None,
        "label_source": LabelSource.MAJORITY if voted else LabelSource.VERIFIER,
        "vote_share": next((vote for vote in votes if vote is not None), None),
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
