"""Search under a reward model, on the simulated solver whose true pass rates are known."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from pipeline.config import KINDS
from pipeline.datasets.counts import Counts
from pipeline.datasets.encoded import EncodedTrace, decode
from pipeline.dispatch.judging import LocalJudge
from pipeline.dispatch.scoring import ModelScorer
from pipeline.engines import PromptFormat, Sampling
from pipeline.engines.simulated import SimulatedEngine
from pipeline.engines.simulated_prm import SimulatedPrm
from pipeline.explore import Explorer, Scorer
from pipeline.prune import PruneConfig, Pruner
from pipeline.records import Status, Trace
from pipeline.rollouts.steps import StepConfig, StepSplitter
from pipeline.search import Expansion, Strategy
from pipeline.tree import ROOT, Tree
from reward_models import RewardModel, Score, Steps
from tests.conftest import make_problem
from verifiers.exact import ExactVerifier

pytestmark = pytest.mark.no_cover
BEST_OF_8 = {"use": "best_of_n", "rollouts": 8}
BEAM = {"use": "beam", "rollouts": 8}
DVTS = {"use": "dvts", "rollouts": 8}


def engine(error_rate: float = 0.4) -> SimulatedEngine:
    config = SimulatedEngine.Config(min_steps=4, max_steps=8, error_rate=error_rate)
    return SimulatedEngine(config, PromptFormat())


def strategy(section: dict[str, Any]) -> Strategy:
    built: Strategy = KINDS["strategy"].part(section).build()
    return built


def explorer(
    solver: SimulatedEngine, searches: Strategy, *models: RewardModel, max_tokens: int = 1000
) -> Explorer:
    scorer: Scorer | None = ModelScorer(models) if models else None
    return Explorer(
        engine=solver,
        splitter=StepSplitter(StepConfig()),
        strategy=searches,
        judge=LocalJudge(ExactVerifier(ExactVerifier.Config())),
        pruner=Pruner(PruneConfig()),
        sampling=Sampling(max_tokens=max_tokens),
        seed=3,
        scorer=scorer,
    )


@dataclass(frozen=True)
class Found:
    """What a strategy came to on a hundred problems."""

    num_solved: int
    num_completed: int
    num_tokens: int


def search(section: dict[str, Any], noise: float | None = None, error_rate: float = 0.4) -> Found:
    """With a reward model of that much noise, or with none."""
    return _search(tuple(sorted(section.items())), noise, error_rate)


@cache
def _search(section: tuple[tuple[str, Any], ...], noise: float | None, error_rate: float) -> Found:
    solver = engine(error_rate)
    models = [] if noise is None else [SimulatedPrm(SimulatedPrm.Config(noise=noise), solver)]
    explores = explorer(solver, strategy(dict(section)), *models)

    async def explore_all() -> list[Trace]:
        problems = [make_problem(f"What is {i} + 3?", str(i + 3)) for i in range(100)]
        return [await explores.explore(problem) for problem in problems]

    traces = asyncio.run(explore_all())
    for trace in traces:
        assert trace.num_unscored == (None if noise is None else 0)
    return Found(
        num_solved=sum(trace.tree.stats[ROOT].passes > 0 for trace in traces),
        num_completed=sum(t.status is Status.COMPLETED for trace in traces for t in trace.trajectories),
        num_tokens=sum(trace.tree.num_tokens for trace in traces),
    )


@pytest.mark.parametrize("section", [BEAM, DVTS], ids=["beam", "dvts"])
def test_a_good_reward_model_solves_many_more_for_the_same_tokens(section: dict[str, Any]) -> None:
    guided, blind = search(section, noise=0.1), search(BEST_OF_8)
    assert guided.num_solved >= blind.num_solved + 25
    assert guided.num_completed == blind.num_completed
    assert guided.num_tokens == pytest.approx(blind.num_tokens, rel=0.02)


@pytest.mark.parametrize("section", [BEAM, DVTS], ids=["beam", "dvts"])
def test_a_reward_model_that_knows_nothing_does_no_better_than_chance(section: dict[str, Any]) -> None:
    noise, good = search(section, noise=1.0), search(section, noise=0.1)
    assert 0 < noise.num_solved < good.num_solved
    assert noise.num_completed == good.num_completed


@pytest.mark.parametrize("section", [BEAM, DVTS], ids=["beam", "dvts"])
def test_a_lookahead_sees_further_and_costs_more(section: dict[str, Any]) -> None:
    # Of hard problems the first steps' scores are mostly noise, those further on are not.
    near = search(section, noise=0.3, error_rate=0.6)
    far = search({**section, "lookahead": 2}, noise=0.3, error_rate=0.6)
    assert far.num_solved > near.num_solved
    assert far.num_tokens > near.num_tokens


def test_mcts_solves_more_hard_problems_for_fewer_tokens() -> None:
    guided = search({"use": "mcts", "rollouts": 32}, noise=0.1, error_rate=0.6)
    alone = search({"use": "mcts", "rollouts": 32}, error_rate=0.6)
    blind = search({"use": "best_of_n", "rollouts": 32}, error_rate=0.6)
    assert guided.num_completed == alone.num_completed == blind.num_completed
    assert guided.num_solved > alone.num_solved > blind.num_solved
    assert max(guided.num_tokens, alone.num_tokens) < 0.85 * blind.num_tokens


class Silent:
    """A reward model that leaves steps unscored, in one way or another."""

    name = "silent"
    revision = "1"

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    async def score(self, batch: Sequence[Steps]) -> list[Score]:
        if self._error is not None:
            raise self._error
        return [
            Score(model="silent", revision="1", values=(None,) * len(steps.texts)) for steps in batch
        ]


@pytest.mark.parametrize("error", [None, ConnectionError("gone")], ids=["none", "raises"])
@pytest.mark.parametrize("section", [BEAM, DVTS], ids=["beam", "dvts"])
async def test_without_any_score_the_search_goes_on_and_says_so(
    section: dict[str, Any], error: Exception | None
) -> None:
    trace = await explorer(engine(), strategy(section), Silent(error)).explore(make_problem())
    tree = trace.tree
    assert tree.scores == {}
    assert sum(t.status is Status.COMPLETED for t in trace.trajectories) == 8
    assert Counts.of(trace).unscored == trace.num_unscored == len(tree) - 1
    assert Counts.of(trace).problems_failed == 0
    (warning,) = trace.warnings
    assert ("gone" in warning) == (error is not None)
    (row,) = decode("trees", [EncodedTrace.of(trace)]).to_pylist()
    assert {node["score"] for node in row["nodes"]} == {None}
    assert (row["warnings"], row["scored_by"]) == ([warning], [])


async def test_a_strategy_sees_an_expansion_with_all_of_its_scores_and_what_was_scored() -> None:
    class Watching:
        """Checks each tree that it is shown."""

        def __init__(self) -> None:
            self.inner = strategy(DVTS)
            self.sizes: list[int] = []

        def propose(self, tree: Tree, pending: Sequence[Expansion]) -> list[Expansion]:
            assert tree.scores.keys() == {node.id for node in tree.nodes[1:]}
            self.sizes.append(len(tree))
            return self.inner.propose(tree, pending)

    class Slow(SimulatedPrm):
        """Lets everything else run before it answers, and keeps what it was asked."""

        def __init__(self, config: SimulatedPrm.Config, solver: SimulatedEngine) -> None:
            super().__init__(config, solver)
            self.asked: list[Steps] = []

        async def score(self, batch: Sequence[Steps]) -> list[Score]:
            self.asked += batch
            for _ in range(5):
                await asyncio.sleep(0)
            return await super().score(batch)

    solver, watching = engine(), Watching()
    model = Slow(SimulatedPrm.Config(noise=0), solver)
    trace = await explorer(solver, watching, model).explore(make_problem())
    tree = trace.tree
    assert len(watching.sizes) > 4
    paths = {tuple(node.token_ids for node in tree.path(node.id)) for node in tree.nodes}
    texts = {tuple(node.text for node in tree.path(node.id)[1:]) for node in tree.nodes}
    for steps in model.asked:
        assert steps.prompt == "What is 2 + 3?"
        assert (steps.prompt_token_ids, *steps.token_ids) in paths
        assert steps.texts in texts
    for node, score in tree.scores.items():
        prefix = [token for token in tree.prefix_token_ids(node) if token < 256]
        assert score == pytest.approx(solver.true_pass_rate(prefix), abs=1e-6)
    (row,) = decode("trees", [EncodedTrace.of(trace)]).to_pylist()
    assert [node["score"] for node in row["nodes"]] == [tree.scores.get(node.id) for node in tree.nodes]
    assert row["nodes"][ROOT]["score"] is None


async def test_without_a_reward_model_nothing_counts_as_unscored() -> None:
    trace = await explorer(engine(), strategy(BEST_OF_8)).explore(make_problem())
    assert trace.num_unscored is None
    assert "unscored" not in Counts.of(trace).to_dict()
    assert trace.warnings == ()


async def test_a_response_that_uses_up_its_tokens_ends_its_beam() -> None:
    solver = engine()
    model = SimulatedPrm(SimulatedPrm.Config(), solver)
    for max_tokens in range(60, 140, 7):
        trace = await explorer(solver, strategy(BEAM), model, max_tokens=max_tokens).explore(
            make_problem()
        )
        ends = {t.status for t in trace.trajectories if t.num_tokens == max_tokens}
        assert Status.TRUNCATED in {t.status for t in trace.trajectories}
        assert ends <= {Status.TRUNCATED}


def test_the_simulated_reward_model_is_as_noisy_as_it_says_and_always_the_same() -> None:
    solver = engine()
    prompt = solver.encode(make_problem()).token_ids
    texts = ("Now step 1: the running value is 1.\n", "Then step 2: the running value is 2.\n")
    steps = Steps(
        prompt="What is 2 + 3?",
        prompt_token_ids=prompt,
        texts=texts,
        token_ids=tuple(tuple(text.encode()) for text in texts),
    )

    def scores(noise: float) -> tuple[float | None, ...]:
        (score,) = asyncio.run(SimulatedPrm(SimulatedPrm.Config(noise=noise), solver).score([steps]))
        assert score.model == "simulated"
        return score.values

    true = tuple(
        solver.true_pass_rate([*prompt, *"".join(texts[: i + 1]).encode()]) for i in range(len(texts))
    )
    assert scores(0) == true
    assert scores(1) == scores(1) != true
    for exact, noisy, noise in zip(true, scores(0.5), scores(1), strict=True):
        assert noise is not None
        assert noisy == pytest.approx((exact + noise) / 2)
