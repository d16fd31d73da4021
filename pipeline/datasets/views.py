"""The views of a run's data, and how a trace becomes their rows.

`trees` has one row for every problem and everything that was found about it; every other view can be
derived from it. No row holds a time or a machine's name, so the same tree is the same bytes.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pyarrow as pa

from pipeline.datasets.reasons import count_reasons
from pipeline.datasets.steps import STEPS, step_rows
from pipeline.datasets.traces import TRACES, trace_rows
from pipeline.datasets.trees import TREES, tree_rows
from pipeline.labels import DEFAULT, LabelConfig
from pipeline.majority import is_vote
from pipeline.outcomes import has_gold, sample_outcome
from pipeline.records import Trace
from pipeline.tree import Finish, Tree

SCHEMAS = {"trees": TREES, "traces": TRACES, "steps": STEPS}
"""View -> columns."""
ABOUT = {
    "traces": "the survivors: one row for each verified response",
    "steps": "step labels: one row for each response, with a label for each of its steps",
    "trees": "everything: one row for each problem, with every node, verdict and decision",
}
"""View -> what it is, in the order of the dataset card."""
_ROWS: dict[str, Callable[[Trace, LabelConfig], Iterable[dict[str, object]]]] = {
    "trees": tree_rows,
    "traces": trace_rows,
    "steps": step_rows,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedTrace:
    """A finished problem, ready to be sent and written."""

    rows: dict[str, bytes]
    """View -> its rows, as an Arrow record batch without its schema. Bytes, because Ray's own way
    with tables takes five times as long as making them."""
    counts: Counter[str]
    """As `count` has them."""

    @classmethod
    def of(
        cls, trace: Trace, labels: LabelConfig = DEFAULT, views: Iterable[str] = tuple(SCHEMAS)
    ) -> "EncodedTrace":
        """The trace's rows in these views, steps labelled as told."""
        batches = {
            view: pa.RecordBatch.from_pylist(list(_ROWS[view](trace, labels)), schema=SCHEMAS[view])
            for view in views
        }
        encoded = {view: batch.serialize().to_pybytes() for view, batch in batches.items()}
        return cls(rows=encoded, counts=count(trace))


def decode(view: str, traces: Iterable[EncodedTrace]) -> pa.Table:
    """One table of the traces' rows in a view, in order."""
    schema = SCHEMAS[view]
    batches = [pa.ipc.read_record_batch(pa.py_buffer(t.rows[view]), schema) for t in traces]
    return pa.Table.from_batches(batches, schema)


def count(trace: Trace) -> Counter[str]:
    """What a summary counts of a trace; counts of traces add up.

    Keys: problems, problems_failed, problems_solved, rollouts, nodes, tokens, kept; unscored and
    unscored_outcomes (with reward models; nodes and complete responses); explored, explored_trials and
    explored_passes (branches that went on although their score would have ended them, those of which it
    is known how they turned out, those that turned out right); right and not_right (rollouts to
    problems with a gold answer, as `sample_outcome` has it); weighed and flawed_thousandths (survivors
    whose chance of being right at every step is known, and how many of them are expected to be wrong
    somewhere, in thousandths, since counts are whole numbers); and with a suffix status.*, verdict.* of
    verifiers, vote.* of majority votes, dropped.RULE, messages.* of survivors (as MessageMatch has
    them), and reason.* (`reasons.py`).
    """
    counts = Counter(
        problems=1,
        problems_failed=int(bool(trace.errors)),
        problems_solved=int(bool(trace.kept)),
        rollouts=len(trace.trajectories),
        nodes=len(trace.tree) - 1,
        tokens=sum(len(node.token_ids) for node in trace.tree.nodes[1:]),
        kept=len(trace.kept),
    )
    if trace.num_unscored is not None:
        counts["unscored"] = trace.num_unscored
    if trace.num_unscored_outcomes is not None:
        counts["unscored_outcomes"] = trace.num_unscored_outcomes
    for node in trace.tree.explored():
        right = _turned_out_right(trace.tree, node)
        counts.update(
            explored=1, explored_trials=int(right is not None), explored_passes=int(right is True)
        )
    outcomes = [sample_outcome(trace.tree, one.leaf) for one in trace.trajectories]
    if has_gold(trace):
        counts.update(right=outcomes.count(True), not_right=outcomes.count(False))
    for trajectory in trace.trajectories:
        counts[f"status.{trajectory.status}"] += 1
        if trajectory.verdict is not None:
            kind = "vote" if is_vote(trajectory.verdict) else "verdict"
            counts[f"{kind}.{trajectory.verdict.outcome}"] += 1
    for trajectory in trace.kept:
        if (match := trace.message_matches.get(trajectory.leaf)) is not None:
            counts[f"messages.{match}"] += 1
    for decision in trace.decisions:
        if not decision.kept:
            counts[f"dropped.{decision.stage}"] += 1
        elif decision.p_correct is not None:
            flawed = round(1000 * (1 - decision.p_correct))
            counts.update(weighed=1, flawed_thousandths=flawed)
    counts.update(count_reasons(trace))
    return counts


def flawed_share(counts: Counter[str]) -> float | None:
    """Share of the survivors that are expected to have a wrong step, of those of which something is
    known; None without any."""
    if not (number := counts["weighed"]):
        return None
    return counts["flawed_thousandths"] / 1000 / number


def _turned_out_right(tree: Tree, node: int) -> bool | None:
    """How the rollout that went on at this node ended; of one that paused, whether any that went on
    from it passed. None where that cannot be told."""
    leaf = tree.leaf_of(node)
    if tree.nodes[leaf].finish is not Finish.STEP:
        return tree.passed(leaf)
    stats = tree.stats[node]
    return stats.passes > 0 if stats.trials else None
