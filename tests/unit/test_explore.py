"""One problem through the main path, with an engine that does as it is told."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from pipeline.chat import Chat, Message, MessageMatch
from pipeline.datasets.trees import read_trace
from pipeline.datasets.views import SCHEMAS, EncodedTrace, count, decode
from pipeline.engines import (
    Completion,
    EngineDied,
    MessageMatcher,
    Prompt,
    PromptFormat,
    Request,
    RequestRejected,
    Sampling,
)
from pipeline.engines.simulated import SimulatedEngine
from pipeline.engines.steps import StepConfig, StepSplitter
from pipeline.explore import Explorer
from pipeline.judging import LocalJudge
from pipeline.prune import PruneConfig, Pruner
from pipeline.records import Problem, Trace
from pipeline.search import Expansion, Strategy
from pipeline.search.branching import Branching
from pipeline.seeds import derive_seed
from pipeline.tree import ROOT, Tree
from tests.conftest import make_problem
from verifiers.exact import ExactVerifier


class RecordingEngine(SimulatedEngine):
    """Keeps the requests, and raises instead of the n-th completion if told to."""

    def __init__(self, raises: Exception | None = None, at: int = 0) -> None:
        super().__init__(SimulatedEngine.Config(min_steps=3), PromptFormat())
        self.requests: list[Request] = []
        self._raises, self._at = raises, at

    async def generate(self, request: Request) -> list[Completion]:
        self.requests.append(request)
        if self._raises is not None and len(self.requests) > self._at:
            raise self._raises
        return await super().generate(request)


def explorer(
    engine: SimulatedEngine,
    strategy: Strategy | None = None,
    max_tokens: int = 400,
    matcher: MessageMatcher | None = None,
    keep: int = 2,
) -> Explorer:
    return Explorer(
        engine=engine,
        splitter=StepSplitter(StepConfig()),
        strategy=strategy or Branching(Branching.Config()),
        judge=LocalJudge(ExactVerifier(ExactVerifier.Config())),
        pruner=Pruner(PruneConfig(max_per_problem=keep)),
        sampling=Sampling(max_tokens=max_tokens),
        seed=3,
        matcher=matcher,
    )


async def explore(engine: SimulatedEngine, max_tokens: int = 400) -> Trace:
    return await explorer(engine, max_tokens=max_tokens).explore(make_problem())


async def test_a_branch_starts_from_the_very_ids_that_were_sampled() -> None:
    engine = RecordingEngine()
    trace = await explore(engine)
    prompt = list(trace.tree.nodes[ROOT].token_ids)
    prefixes = {tuple(trace.tree.prefix_token_ids(node.id)) for node in trace.tree.nodes}
    assert len(engine.requests) > 1
    for request in engine.requests:
        assert tuple(request.token_ids) in prefixes
        assert request.max_tokens == 400 - (len(request.token_ids) - len(prompt))


async def test_requests_have_seeds_of_their_own_that_do_not_change() -> None:
    one, other = RecordingEngine(), RecordingEngine()
    await explore(one)
    await explore(other)
    seeds = [request.seed for request in one.requests]
    assert len(set(seeds)) == len(seeds)
    assert seeds == [request.seed for request in other.requests]


async def test_the_whole_response_is_judged_with_its_prefix() -> None:
    trace = await explore(RecordingEngine())
    for trajectory in trace.trajectories:
        assert trajectory.verdict is not None
        assert trajectory.response == trace.tree.response(trajectory.leaf)
        assert trajectory.response.count("The answer is") == 1


async def test_a_truncated_response_is_not_judged_and_not_kept() -> None:
    trace = await explore(RecordingEngine(), max_tokens=50)
    assert {trajectory.verdict for trajectory in trace.trajectories} == {None}
    assert trace.kept == []
    assert count(trace)["status.truncated"] == len(trace.trajectories)
    assert trace.tree.stats[ROOT].value is None


async def test_a_request_that_is_refused_is_a_trace_that_says_why() -> None:
    trace = await explore(RecordingEngine(RequestRejected("the prompt is too long")))
    assert trace.errors == ("the prompt is too long",)
    assert trace.trajectories == ()
    assert count(trace)["problems_failed"] == 1
    assert decode("trees", [EncodedTrace.of(trace)]).to_pylist()[0]["errors"] == [
        "the prompt is too long"
    ]


async def test_an_engine_that_dies_is_the_callers_affair() -> None:
    with pytest.raises(EngineDied):
        await explore(RecordingEngine(EngineDied("gone"), at=2))


async def test_a_strategy_that_fails_ends_what_is_under_way() -> None:
    class Failing:
        def propose(self, tree: Tree, pending: Sequence[Expansion]) -> list[Expansion]:
            if pending or len(tree) > 1:
                raise KeyError("a bug in somebody's strategy")
            return [Expansion(parent=ROOT, num_rollouts=1)] * 3

    with pytest.raises(KeyError):
        await explorer(RecordingEngine(), Failing()).explore(make_problem())


async def test_rows_hold_all_of_a_trace() -> None:
    trace = await explore(RecordingEngine())
    rows = {view: decode(view, [EncodedTrace.of(trace)]) for view in SCHEMAS}
    assert {view: table.schema for view, table in rows.items()} == SCHEMAS
    (tree,) = rows["trees"].to_pylist()
    assert [node["token_ids"] for node in tree["nodes"]] == [
        list(node.token_ids) for node in trace.tree.nodes
    ]
    assert sum(t["kept"] for t in tree["trajectories"]) == rows["traces"].num_rows == len(trace.kept)
    assert all(t["decision"] for t in tree["trajectories"])
    assert all((t["decided_by"] is None) == t["kept"] for t in tree["trajectories"])
    for row in rows["traces"].to_pylist():
        ids = row["prompt_token_ids"] + row["response_token_ids"]
        assert ids == trace.tree.prefix_token_ids(row["leaf"])
        (turn,) = row["prompt"]
        assert turn == {"role": "user", "content": trace.tree.nodes[ROOT].text}
        assert row["completion"] == [{"role": "assistant", "content": row["response"]}]
        assert row["messages"] == row["prompt"] + row["completion"]
        assert row["messages_exact"] is None
    for table in rows.values():
        assert set(table["problem"].to_pylist()) == {trace.problem.prompt}


class ThinkingEngine(RecordingEngine):
    """Has a chat template with a system turn, which opens the answer, and gives back two in three."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[Chat, tuple[int, ...], str, tuple[int, ...]]] = []

    def encode(self, problem: Problem) -> Prompt:
        prompt = super().encode(problem)
        messages = (Message(role="system", content="Think."), *prompt.chat.messages)
        return replace(prompt, chat=Chat(messages=messages, opening="<think>\n"))

    def match_messages(
        self,
        chat: Chat,
        prompt_token_ids: Sequence[int],
        response: str,
        response_token_ids: Sequence[int],
    ) -> MessageMatch | None:
        self.asked.append((chat, tuple(prompt_token_ids), response, tuple(response_token_ids)))
        return list(MessageMatch)[len(self.asked) % 3]


async def test_the_survivors_messages_are_compared_with_what_was_sampled() -> None:
    engine = ThinkingEngine()
    assert isinstance(engine, MessageMatcher)
    trace = await explorer(engine, matcher=engine, keep=8).explore(make_problem())
    leaves = [trajectory.leaf for trajectory in trace.kept]
    assert len(leaves) > 2
    assert list(trace.message_matches) == leaves
    for leaf, (chat, prompt, response, sampled) in zip(leaves, engine.asked, strict=True):
        assert chat == trace.tree.chat
        assert [*prompt, *sampled] == trace.tree.prefix_token_ids(leaf)
        assert len(prompt) == len(trace.tree.nodes[ROOT].token_ids)
        assert response == trace.tree.response(leaf)
    rows = decode("traces", [EncodedTrace.of(trace)]).to_pylist()
    exact = [match is MessageMatch.EXACT for match in trace.message_matches.values()]
    assert [row["messages_exact"] for row in rows] == exact
    counts = count(trace)
    assert sum(counts[f"messages.{match}"] for match in MessageMatch) == len(leaves)
    for row in rows:
        assert [turn["role"] for turn in row["prompt"]] == ["system", "user"]
        (answer,) = row["completion"]
        assert answer == {"role": "assistant", "content": "<think>\n" + row["response"]}


async def test_a_stored_tree_that_grows_keeps_its_chat() -> None:
    engine = ThinkingEngine()
    trace = await explorer(engine, matcher=engine).explore(make_problem())
    (row,) = decode("trees", [EncodedTrace.of(trace)]).to_pylist()
    again = await explorer(engine, matcher=engine).explore(make_problem(), read_trace(row).tree)
    assert again.tree.chat == trace.tree.chat
    assert again.message_matches.keys() == {trajectory.leaf for trajectory in again.kept}


def test_a_derived_seed_depends_on_every_part() -> None:
    seeds = {derive_seed(1, "a"), derive_seed(1, "b"), derive_seed(2, "a"), derive_seed(1, "a", 0)}
    assert len(seeds) == 4
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derive_seed(1, "a") == derive_seed(1, "a")
