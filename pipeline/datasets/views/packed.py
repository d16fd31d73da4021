"""The view `packed`: one row for each problem, with its tree as a sequence that has each prefix once.

For trainers that compute a shared prefix once (tree attention, tree packing). Each segment is a step
that the model sampled, after the segment of the prompt; rollouts that begin with the same steps share
their segments. Parents come before their children, and every token names its predecessor: following
`parents` from a response's last token gives its tokens in reverse.

Lists that begin with `segment_` have one entry for each segment, `response_` for each response, all
others for each token. With V the pass rate of a segment, from the judged rollouts that sampled it or
started at its end (`pipeline/labels/values.py`):

- `segment_advantages` is V minus the parent's V, the change of the value by the step, estimated by
  rollouts as in VinePPO (Kazemnejad et al., 2024, arXiv:2410.01679);
- `segment_group_advantages` is (V - mean) / standard deviation among sibling segments (as GRPO has it
  among responses, Shao et al., 2024, arXiv:2402.03300), and 0 where all siblings are equal.

Both are of every segment by itself. `advantages`, for each token, are what to train on: by the rule of
`views.packed` (`pipeline/labels/advantages.py`), which shares an advantage among steps that nothing
tells apart. They are null where a token is not to be trained on: in the prompt, and where nothing tells
the step's worth.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from pipeline.datasets.views.columns import (
    LABEL_SOURCE,
    PROBLEM,
    problem_columns,
    tree_source_columns,
)
from pipeline.datasets.views.rules import ViewRules
from pipeline.datasets.views.view import View
from pipeline.labels.advantages import Prefix, advantages
from pipeline.labels.first_error import Trials
from pipeline.labels.majority import sampling_weights
from pipeline.labels.values import outcome, prefix_trials
from pipeline.records import Trace
from pipeline.tree import ROOT, Tree

_INTS, _FLOATS = pa.list_(pa.int32()), pa.list_(pa.float32())
_SCHEMA = pa.schema(
    [
        *PROBLEM,
        ("token_ids", _INTS),
        ("parents", _INTS),
        ("position_ids", _INTS),
        ("loss_mask", pa.list_(pa.bool_())),
        ("logprobs", _FLOATS),
        ("advantages", _FLOATS),
        ("segment_starts", _INTS),
        ("segment_lengths", _INTS),
        ("segment_parents", _INTS),
        ("segment_nodes", _INTS),
        ("segment_logprobs", _FLOATS),
        ("segment_values", _FLOATS),
        ("segment_scores", _FLOATS),
        ("segment_trials", _INTS),
        ("segment_passes", _INTS),
        ("segment_samples", _INTS),
        ("segment_weights", _FLOATS),
        ("segment_advantages", _FLOATS),
        ("segment_group_advantages", _FLOATS),
        ("segment_model_versions", pa.list_(pa.string())),
        ("response_leaves", _INTS),
        ("response_segments", _INTS),
        ("response_starts", _INTS),
        ("response_rewards", _FLOATS),
        ("response_statuses", pa.list_(pa.string())),
        ("num_tokens", pa.int32()),
        *LABEL_SOURCE,
        ("seed", pa.int64()),
    ]
)


@dataclass(slots=True, kw_only=True)
class _Segment:
    """Nodes of one prefix, as one stretch of the packed tokens."""

    node: int
    """The first of the nodes."""
    parent: int
    """Index of the parent's segment; -1 for the prompt."""
    start: int
    """Index of its first token in the row."""
    position: int
    """Number of tokens before it in its own sequence."""
    trials: Trials
    ended: Trials
    """Judged responses that end with it."""
    num_samples: int
    """Number of rollouts that sampled it; 0 for the prompt."""
    weight: float
    """Probability that random sampling in the tree reaches it."""
    children: list[int] = field(default_factory=list)
    """Indices of the segments below it."""

    @property
    def value(self) -> float | None:
        """Fraction of the trials that passed; None without a trial."""
        total = self.trials.passes + self.trials.fails
        return self.trials.passes / total if total else None


def packed_rows(trace: Trace, rules: ViewRules) -> Iterator[dict[str, object]]:
    """The row of the tree; none if nothing was sampled."""
    tree = trace.tree
    if len(tree) == 1:
        return
    segments = _segments(tree, rules)
    place = {node: number for number, one in enumerate(segments) for node in tree.same_prefix(one.node)}
    yield {
        **problem_columns(trace),
        **_token_columns(tree, segments, _advantages(segments, rules)),
        **_segment_columns(tree, segments),
        "response_leaves": [one.leaf for one in trace.trajectories],
        "response_segments": [place[one.leaf] for one in trace.trajectories],
        "response_starts": _response_starts(tree, [one.leaf for one in trace.trajectories]),
        "response_rewards": [_reward(_outcome(tree, one.leaf, rules)) for one in trace.trajectories],
        "response_statuses": [one.status for one in trace.trajectories],
        **tree_source_columns(tree),
    }


def _outcome(tree: Tree, leaf: int, rules: ViewRules) -> bool | None:
    return outcome(tree, leaf, truncated_fails=rules.labels.truncated_fails)


def _segments(tree: Tree, rules: ViewRules) -> list[_Segment]:
    """The segments in order of their first nodes, so that parents come before their children."""
    found: list[_Segment] = []
    place: dict[int, int] = {}
    trials = prefix_trials(tree, truncated_fails=rules.labels.truncated_fails)
    weights, start = sampling_weights(tree), 0
    for node in tree.nodes:
        twins = tree.same_prefix(node.id)
        if twins[0] != node.id:
            continue
        parent = -1 if node.parent is None else place[tree.same_prefix(node.parent)[0]]
        place[node.id] = len(found)
        position = 0
        if parent >= 0:
            above = found[parent]
            position = above.position + len(tree.nodes[above.node].token_ids)
            above.children.append(len(found))
        found.append(
            _Segment(
                node=node.id,
                parent=parent,
                start=start,
                position=position,
                trials=trials[node.id],
                ended=_ended(tree, twins, rules),
                num_samples=len(twins) if parent >= 0 else 0,
                weight=sum(weights[twin] for twin in twins),
            )
        )
        start += len(node.token_ids)
    return found


def _ended(tree: Tree, twins: Sequence[int], rules: ViewRules) -> Trials:
    ended = Trials()
    for node in twins:
        if tree.is_leaf(node):
            ended = ended.and_one(_outcome(tree, node, rules))
    return ended


def _advantages(segments: Sequence[_Segment], rules: ViewRules) -> list[float | None]:
    """For each segment, its advantage by the rules; None if unknown."""
    return advantages(
        [Prefix(parent=one.parent, ended=one.ended, num_samples=one.num_samples) for one in segments],
        rules.views.packed.advantages,
    )


def _response_starts(tree: Tree, leaves: Sequence[int]) -> list[int]:
    """For each response, its number of tokens, the prompt's included, before the first that no earlier
    response has counted as its own: so each sampled token is one response's own."""
    seen, starts = {ROOT}, []
    for leaf in leaves:
        path = tree.path(leaf)
        starts.append(sum(len(node.token_ids) for node in path if node.id in seen))
        seen.update(node.id for node in path)
    return starts


def _token_columns(
    tree: Tree, segments: Sequence[_Segment], found: Sequence[float | None]
) -> dict[str, object]:
    token_ids: list[int] = []
    parents: list[int] = []
    positions: list[int] = []
    mask: list[bool] = []
    logprobs: list[float | None] = []
    last: list[int] = []
    """Segment -> its last token, or the last one before it if it is empty."""
    spread: list[float | None] = []
    for one, advantage in zip(segments, found, strict=True):
        node = tree.nodes[one.node]
        own = node.token_ids
        before = last[one.parent] if one.parent >= 0 else -1
        parents += [before if k == 0 else one.start + k - 1 for k in range(len(own))]
        positions += range(one.position, one.position + len(own))
        mask += [one.node != ROOT] * len(own)
        spread += [advantage] * len(own)
        logprobs += [None] * len(own) if node.logprobs is None else node.logprobs
        token_ids += own
        last.append(one.start + len(own) - 1 if own else before)
    return {
        "token_ids": token_ids,
        "parents": parents,
        "position_ids": positions,
        "loss_mask": mask,
        "logprobs": logprobs if any(one is not None for one in logprobs) else None,
        "advantages": spread,
        "num_tokens": len(token_ids),
    }


def _segment_columns(tree: Tree, segments: Sequence[_Segment]) -> dict[str, object]:
    nodes = [tree.nodes[one.node] for one in segments]
    return {
        "segment_starts": [one.start for one in segments],
        "segment_lengths": [len(node.token_ids) for node in nodes],
        "segment_parents": [one.parent for one in segments],
        "segment_nodes": [one.node for one in segments],
        "segment_logprobs": [node.logprob for node in nodes],
        "segment_values": [one.value for one in segments],
        "segment_scores": [_score(tree, one.node) for one in segments],
        "segment_trials": [one.trials.passes + one.trials.fails for one in segments],
        "segment_passes": [one.trials.passes for one in segments],
        "segment_samples": [one.num_samples for one in segments],
        "segment_weights": [one.weight for one in segments],
        "segment_advantages": [_advantage(segments, one) for one in segments],
        "segment_group_advantages": _group_advantages(segments),
        "segment_model_versions": [node.model_version for node in nodes],
    }


def _score(tree: Tree, node_id: int) -> float | None:
    """A process reward model's score of the prefix; not every node of it may have one."""
    scores = (tree.scores.get(twin) for twin in tree.same_prefix(node_id))
    return next((score for score in scores if score is not None), None)


def _advantage(segments: Sequence[_Segment], one: _Segment) -> float | None:
    """The change of value by a step; None for the prompt, or if a value is unknown."""
    above = segments[one.parent].value if one.parent >= 0 else None
    return None if above is None or one.value is None else one.value - above


def _group_advantages(segments: Sequence[_Segment]) -> list[float | None]:
    """For each segment, how it compares with its siblings; None without a judged sibling."""
    found: list[float | None] = [None] * len(segments)
    for one in segments:
        known = ((number, segments[number].value) for number in one.children)
        values = {number: value for number, value in known if value is not None}
        if len(values) < 2:
            continue
        mean = sum(values.values()) / len(values)
        deviation = math.sqrt(sum((value - mean) ** 2 for value in values.values()) / len(values))
        for number, value in values.items():
            found[number] = (value - mean) / deviation if deviation else 0.0
    return found


def _reward(passed: bool | None) -> float | None:
    return None if passed is None else float(passed)


PACKED = View(
    name="packed",
    about="prefix trees: one row for each problem, with every shared prefix once, for tree training",
    needs="a problem with a rollout",
    schema=_SCHEMA,
    rows=packed_rows,
)
