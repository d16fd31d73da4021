"""A row of `trees` gives the trace it was made of, through real parquet."""

import io

import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from pipeline.chat import Chat, Message, MessageMatch
from pipeline.datasets.encoded import EncodedTrace, decode
from pipeline.datasets.views.rules import ViewRules
from pipeline.datasets.views.table import VIEWS
from pipeline.datasets.views.trees import read_trace
from pipeline.labels.step_labels import LabelConfig
from pipeline.prune import PruneConfig, Pruner
from pipeline.records import Failure, Phase, Problem, Trace, trajectories
from pipeline.tree import Tree
from tests.grown import trees
from verifiers import Target

JSON = st.dictionaries(
    st.text(max_size=3),
    st.none()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=3)
    | st.lists(st.booleans()),
    max_size=3,
)
PROBLEMS = st.builds(
    Problem.create,
    prompt=st.text(max_size=9),
    target=st.builds(Target, kind=st.just("math"), value=st.none() | st.text(max_size=3), tests=JSON),
    source=st.just("test"),
    split=st.none() | st.just("train"),
    meta=JSON,
)
CHATS = st.none() | st.builds(
    Chat,
    messages=st.lists(
        st.builds(Message, role=st.sampled_from(["system", "user"]), content=st.text(max_size=3)),
        max_size=2,
    ).map(tuple),
    opening=st.sampled_from(["", "<think>\n"]),
)
FAILURES = st.builds(
    Failure, phase=st.sampled_from(Phase), type=st.text(max_size=5), message=st.text(max_size=5)
)
LABELS = LabelConfig(truncated_fails=True, confidence=0.3)


def make_trace(problem: Problem, tree: Tree, failures: list[Failure]) -> Trace:
    found = trajectories(tree)
    decisions = Pruner(PruneConfig(max_per_problem=1)).prune(found, tree)
    return Trace(
        problem=problem,
        seed=tree.seed,
        tree=tree,
        trajectories=found,
        decisions=decisions,
        failures=tuple(failures),
        message_matches={
            decision.leaf: list(MessageMatch)[decision.leaf % 3]
            for decision in decisions
            if decision.kept and tree.chat is not None
        },
    )


def rows(trace: Trace) -> dict[str, bytes]:
    return EncodedTrace.of(trace, ViewRules(labels=LABELS)).rows


def through_parquet(trace: Trace) -> Trace:
    file = io.BytesIO()
    pq.write_table(decode("trees", [EncodedTrace.of(trace)]), file, compression="zstd")
    (row,) = pq.read_table(file).to_pylist()
    return read_trace(row)


@given(PROBLEMS, trees, CHATS, st.lists(FAILURES, max_size=2))
def test_a_trace_that_was_read_has_the_same_rows(
    problem: Problem, tree: Tree, chat: Chat | None, failures: list[Failure]
) -> None:
    tree.chat = chat
    trace = make_trace(problem, tree, failures)
    again = through_parquet(trace)
    assert rows(again) == rows(trace)
    assert set(rows(again)) == set(VIEWS)
    assert again.problem == problem
    assert again.tree.stats == trace.tree.stats
    assert again.tree.nodes == trace.tree.nodes
    assert again.tree.scores == trace.tree.scores
    assert again.tree.outcome_scores == trace.tree.outcome_scores
    assert again.tree.cut_scores == trace.tree.cut_scores
    assert again.tree.chat == chat
    assert again.decisions == trace.decisions
    assert again.message_matches == trace.message_matches


@given(PROBLEMS, trees, st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=3))
def test_a_tree_that_was_read_grows_like_the_original(
    problem: Problem, tree: Tree, steps: list[str]
) -> None:
    again = through_parquet(make_trace(problem, tree, [])).tree
    assert (again.num_rollouts, again.num_tokens) == (tree.num_rollouts, tree.num_tokens)
    for node in tree.nodes:
        assert again.prefix_token_ids(node.id) == tree.prefix_token_ids(node.id)
        assert again.reserve(node.id, 2) == tree.reserve(node.id, 2)
    assert set(again.events) == set(tree.events)


@given(PROBLEMS, trees)
def test_rows_of_earlier_versions_can_be_read(problem: Problem, tree: Tree) -> None:
    """Their `prompt` is the problem's text, and they know nothing of chats."""
    trace = make_trace(problem, tree, [])
    (row,) = decode("trees", [EncodedTrace.of(trace)]).to_pylist()
    row["prompt"] = row.pop("problem")
    del row["prompt_opening"]
    for trajectory in row["trajectories"]:
        del trajectory["messages_match"]
    again = read_trace(row)
    assert again.problem == problem
    assert again.tree.chat is None
    assert rows(again) == rows(trace)
