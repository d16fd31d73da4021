"""One problem through the main path, with an engine that does as it is told."""

import asyncio
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import replace
from threading import get_ident

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.durability.parts import Prm
from pipeline.chat import Chat, Message, MessageMatch
from pipeline.datasets.counts import Counts
from pipeline.datasets.encoded import EncodedTrace, decode
from pipeline.datasets.views.table import VIEWS
from pipeline.datasets.views.trees import read_trace
from pipeline.dispatch.judging import LocalJudge
from pipeline.dispatch.scoring import ModelScorer
from pipeline.engines import (
    Completion,
    MessageMatcher,
    Prompt,
    PromptFormat,
    Request,
    Sampling,
)
from pipeline.engines.simulated import SimulatedEngine
from pipeline.explore import Explorer, aside, half_grown
from pipeline.hashing import derive_seed
from pipeline.prune import PruneConfig, Pruner
from pipeline.records import Problem, Trace
from pipeline.rollouts.steps import StepConfig, StepSplitter
from pipeline.search import Strategy
from pipeline.search.best_of_n import BestOfN
from pipeline.search.branching import Branching
from pipeline.tree import ROOT, Finish, Rollout, Step, Tree
from tests.conftest import make_problem
from tests.patience import until
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


class ChangingEngine(RecordingEngine):
    """Gets other weights right after its first answer, before the rollouts are cut into steps."""

    async def generate(self, request: Request) -> list[Completion]:
        completions = await super().generate(request)
        if len(self.requests) == 1:
            await self.update_weights("error_rate=0.9")
        return completions


async def test_each_rollout_names_the_weights_that_sampled_it() -> None:
    engine = ChangingEngine()
    trace = await explore(engine)
    versions = [node.model_version for node in trace.tree.nodes if node.model_version is not None]
    assert set(versions) == {"simulated-1", engine.model_version}


async def test_requests_name_their_tree() -> None:
    engine = RecordingEngine()
    trace = await explore(engine)
    assert {request.tree for request in engine.requests} == {trace.tree.seed}


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
    assert Counts.of(trace).statuses["truncated"] == len(trace.trajectories)
    assert trace.tree.stats[ROOT].value is None


async def test_rows_hold_all_of_a_trace() -> None:
    trace = await explore(RecordingEngine())
    rows = {view: decode(view, [EncodedTrace.of(trace)]) for view in VIEWS}
    assert {view: table.schema for view, table in rows.items()} == {
        name: view.schema for name, view in VIEWS.items()
    }
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
        if "problem" in table.column_names:
            assert set(table["problem"].to_pylist()) <= {trace.problem.prompt}


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
    counts = Counts.of(trace)
    assert sum(counts.messages[match] for match in MessageMatch) == len(leaves)
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


async def test_a_complete_tree_that_is_resumed_says_who_scored_it() -> None:
    scoring = replace(explorer(RecordingEngine()), scorer=ModelScorer([Prm(Prm.Config())]))
    problem, grown = make_problem(), list[Tree]()
    whole = await scoring.explore(problem, on_tree=grown.append)
    # A crash after the last rollout, and before the problem is finished.
    (row,) = decode("trees", [EncodedTrace.of(half_grown(problem, grown[0].copy()))]).to_pylist()
    resumed = await scoring.explore(problem, read_trace(row).tree)
    assert resumed.scored_by == whole.scored_by == ("durability 1",)
    assert EncodedTrace.of(resumed).rows["trees"] == EncodedTrace.of(whole).rows["trees"]


class ShuffledEngine(SimulatedEngine):
    """Answers requests in an order of its own, and keeps the tree as it was before each answer."""

    def __init__(self, order: list[int]) -> None:
        super().__init__(SimulatedEngine.Config(min_steps=3), PromptFormat())
        self._order, self._waiting = order, list[asyncio.Event]()
        self.tree: Tree | None = None
        self.states: list[Tree] = []

    async def generate(self, request: Request) -> list[Completion]:
        completions, turn = await super().generate(request), asyncio.Event()
        self._waiting.append(turn)
        if len(self._waiting) == len(self._order):
            self._releasing = asyncio.create_task(self._release())
        await turn.wait()
        return completions

    async def _release(self) -> None:
        tree = self.tree
        assert tree is not None
        for number in self._order:
            self.states.append(tree.copy())
            self._waiting[number].set()
            await until(lambda: tree.num_rollouts > self.states[-1].num_rollouts)

    def keep(self, tree: Tree) -> None:
        self.tree = tree


@given(st.permutations(range(5)), st.integers(0, 4))
async def test_a_best_of_n_that_is_cut_off_goes_on_where_it_was(order: list[int], cut: int) -> None:
    """36 rollouts in 5 requests that end in any order; after `cut` of them, the process is killed."""
    engine, problem = ShuffledEngine(order), make_problem()
    strategy = BestOfN(BestOfN.Config(rollouts=36))
    whole = await explorer(engine, strategy).explore(problem, on_tree=engine.keep)
    assert [tree.num_rollouts for tree in engine.states] == [
        sum(4 if one == 4 else 8 for one in order[:count]) for count in range(5)
    ]
    stored = EncodedTrace.of(half_grown(problem, engine.states[cut]))
    (row,) = decode("trees", [stored]).to_pylist()
    again = RecordingEngine()
    resumed = await explorer(again, strategy).explore(problem, read_trace(row).tree)
    assert (
        sum(request.num_rollouts for request in again.requests) == 36 - engine.states[cut].num_rollouts
    )
    assert EncodedTrace.of(resumed).rows["trees"] == EncodedTrace.of(whole).rows["trees"]


def test_a_derived_seed_depends_on_every_part() -> None:
    seeds = {derive_seed(1, "a"), derive_seed(1, "b"), derive_seed(2, "a"), derive_seed(1, "a", 0)}
    assert len(seeds) == 4
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derive_seed(1, "a") == derive_seed(1, "a")


@pytest.mark.parametrize(("num_tokens", "is_apart"), [(100, False), (30_000, True)])
async def test_work_on_a_heavy_tree_holds_up_nothing_else(num_tokens: int, is_apart: bool) -> None:
    tree = Tree((), "")
    step = Step(token_ids=tuple(range(num_tokens)), text="x", logprob=None)
    tree.add(0, tree.reserve(0, 1), Rollout(steps=(step,), finish=Finish.STOP, model_version="1"))
    problem: ContextVar[str] = ContextVar("problem")
    problem.set("the log names it")
    thread, named = await aside(tree, lambda *_: (get_ident(), problem.get()), "an argument")
    assert (thread != get_ident()) is is_apart
    assert named == "the log names it"
