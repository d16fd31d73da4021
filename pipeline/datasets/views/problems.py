"""The view `problems`: one row for each problem, with its measured difficulty.

The pass rate is that of the rollouts of the whole problem: rollouts that a search starts further below
are a biased sample.
"""

from collections.abc import Iterator

import pyarrow as pa

from pipeline.datasets.views.columns import (
    LABEL_SOURCE,
    PROBLEM,
    problem_columns,
    tree_source_columns,
)
from pipeline.datasets.views.rules import ViewRules
from pipeline.datasets.views.view import View
from pipeline.labels.outcomes import has_gold, sample_outcome
from pipeline.labels.step_labels import credible_interval
from pipeline.records import Trace
from pipeline.tree import ROOT

_SCHEMA = pa.schema(
    [
        *PROBLEM,
        ("num_samples", pa.int32()),
        ("num_right", pa.int32()),
        ("pass_rate", pa.float32()),
        ("pass_rate_low", pa.float32()),
        ("pass_rate_high", pa.float32()),
        ("num_responses", pa.int32()),
        ("num_passed", pa.int32()),
        ("num_failed", pa.int32()),
        ("num_kept", pa.int32()),
        ("num_tokens", pa.int64()),
        ("longest_response", pa.int32()),
        ("model_versions", pa.list_(pa.string())),
        ("verifier", pa.string()),
        ("verifier_version", pa.string()),
        *LABEL_SOURCE,
        ("failed", pa.bool_()),
        ("seed", pa.int64()),
    ]
)


def problem_rows(trace: Trace, rules: ViewRules) -> Iterator[dict[str, object]]:
    """The row of the problem."""
    tree = trace.tree
    right, known = samples(trace)
    interval = credible_interval(right, known, rules.labels.interval) if known else None
    outcomes = [tree.passed(one.leaf) for one in trace.trajectories]
    verdict = next((one.verdict for one in trace.trajectories if one.verdict), None)
    yield {
        **problem_columns(trace),
        **tree_source_columns(tree),
        "num_samples": known,
        "num_right": right,
        "pass_rate": right / known if known else None,
        "pass_rate_low": interval and interval.low,
        "pass_rate_high": interval and interval.high,
        "num_responses": len(trace.trajectories),
        "num_passed": outcomes.count(True),
        "num_failed": outcomes.count(False),
        "num_kept": len(trace.kept),
        "num_tokens": sum(len(node.token_ids) for node in tree.nodes[1:]),
        "longest_response": max((one.num_tokens for one in trace.trajectories), default=None),
        "model_versions": sorted({node.model_version for node in tree.nodes if node.model_version}),
        "verifier": verdict and verdict.verifier,
        "verifier_version": verdict and verdict.version,
        "failed": bool(trace.failures),
    }


def samples(trace: Trace) -> tuple[int, int]:
    """The rollouts of the whole problem that are right, and those of which it is known; 0 and 0 without
    a gold answer."""
    if not has_gold(trace):
        return 0, 0
    tree = trace.tree
    outcomes = [sample_outcome(tree, tree.leaf_of(child)) for child in tree.children(ROOT)]
    right = outcomes.count(True)
    return right, right + outcomes.count(False)


PROBLEMS = View(
    name="problems",
    about="problems: one row for each, with its measured pass rate",
    schema=_SCHEMA,
    rows=problem_rows,
)
