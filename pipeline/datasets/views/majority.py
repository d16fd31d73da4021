"""The view `majority`: one row for each problem without a gold answer whose responses agree on one.

The answer is what most responses state, not what is right; `vote_share` says how many agree.
"""

from collections.abc import Iterator

import pyarrow as pa

from pipeline.datasets.views.columns import (
    PROBLEM,
    RESPONSE,
    problem_columns,
    response_columns,
)
from pipeline.datasets.views.rules import ViewRules
from pipeline.datasets.views.view import View
from pipeline.labels.majority import is_voted, vote_share
from pipeline.records import Trace
from verifiers import Outcome

_SCHEMA = pa.schema(
    [
        *PROBLEM,
        ("answer", pa.string()),
        ("vote_share", pa.float32()),
        ("num_responses", pa.int32()),
        ("num_agreeing", pa.int32()),
        ("num_answers", pa.int32()),
        *RESPONSE,
        ("leaf", pa.int32()),
        ("verifier", pa.string()),
        ("verifier_version", pa.string()),
        ("seed", pa.int64()),
    ]
)


def majority_rows(trace: Trace, rules: ViewRules) -> Iterator[dict[str, object]]:
    """The row of the problem, with the first response that gives the majority's answer."""
    if not is_voted(trace.tree):
        return
    voters = [one for one in trace.trajectories if trace.tree.is_complete(one.leaf)]
    agreeing = [one for one in voters if one.verdict and one.verdict.outcome is Outcome.PASS]
    if not agreeing:
        return
    verdict = agreeing[0].verdict
    assert verdict is not None, "expected a response with a verdict, see above"
    yield {
        **problem_columns(trace),
        **response_columns(trace, agreeing[0]),
        "answer": verdict.extracted,
        "vote_share": vote_share(verdict),
        "num_responses": len(voters),
        "num_agreeing": len(agreeing),
        "num_answers": verdict.evidence.get("classes"),
        "leaf": agreeing[0].leaf,
        "verifier": verdict.verifier,
        "verifier_version": verdict.version,
    }


MAJORITY = View(
    name="majority",
    about="voted answers: one row for each problem without a gold answer that has a majority",
    needs="a problem without a gold answer whose responses agree on one",
    schema=_SCHEMA,
    rows=majority_rows,
)
