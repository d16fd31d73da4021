"""The usage of sampling, counted around an engine."""

from pipeline.engines import Completion, PromptFormat, Request, Sampling
from pipeline.engines.metered import MeteredEngine, Usage
from pipeline.engines.simulated import SimulatedEngine
from pipeline.tree import Finish
from tests.conftest import make_problem


def make_request(num_tokens: int, num_rollouts: int = 1) -> Request:
    return Request(
        token_ids=range(num_tokens),
        num_rollouts=num_rollouts,
        max_tokens=8,
        sampling=Sampling(),
        seed=0,
    )


def make_cached(num_cached_tokens: int | None, num_tokens: int = 2) -> Completion:
    return Completion(
        token_ids=tuple(range(num_tokens)),
        token_texts=("x",) * num_tokens,
        text="x" * num_tokens,
        logprobs=None,
        finish=Finish.STOP,
        num_cached_tokens=num_cached_tokens,
    )


def test_every_sampled_sequence_needs_its_whole_prefix() -> None:
    usage = Usage.of(make_request(100, 3), [make_cached(0), make_cached(96), make_cached(64)])
    assert usage == Usage(num_tokens=6, num_prompt_tokens=300, num_cached_tokens=160, num_rollouts=3)


def test_a_greedy_rollout_is_counted_once_however_often_it_was_asked_for() -> None:
    usage = Usage.of(make_request(100, 3), [make_cached(64)] * 3)
    assert usage == Usage(num_tokens=2, num_prompt_tokens=100, num_cached_tokens=64, num_rollouts=3)


def test_one_unknown_figure_makes_the_sum_unknown_and_not_smaller() -> None:
    known = Usage.of(make_request(10), [make_cached(0)])
    unknown = Usage.of(make_request(10, 2), [make_cached(0), make_cached(None)])
    assert known.num_cached_tokens == 0
    assert unknown.num_cached_tokens is None
    assert known + unknown == Usage(
        num_tokens=6, num_prompt_tokens=30, num_cached_tokens=None, num_rollouts=3
    )


async def test_the_simulated_engine_does_not_say_what_was_cached() -> None:
    engine = MeteredEngine(SimulatedEngine(SimulatedEngine.Config(), PromptFormat()))
    assert engine.usage == Usage()
    ids = engine.encode(make_problem()).token_ids
    request = Request(token_ids=ids, num_rollouts=3, max_tokens=64, sampling=Sampling(), seed=0)
    completions = await engine.generate(request)
    await engine.generate(request)
    assert engine.usage == Usage(
        num_tokens=2 * sum(len(completion.token_ids) for completion in completions),
        num_prompt_tokens=6 * len(ids),
        num_cached_tokens=None,
        num_rollouts=6,
    )


async def test_tokens_of_requests_under_way_are_known_where_the_engine_reports_them() -> None:
    class Reporting(SimulatedEngine):
        notes = ("on a slide rule",)
        num_live_tokens = 5

    inner = Reporting(SimulatedEngine.Config(), PromptFormat())
    engine = MeteredEngine(inner)
    assert engine.notes == ("on a slide rule",)
    assert (engine.usage.num_tokens, engine.usage.num_live_tokens) == (0, 5)
    ids = engine.encode(make_problem()).token_ids
    await engine.generate(
        Request(token_ids=ids, num_rollouts=1, max_tokens=64, sampling=Sampling(), seed=0)
    )
    # What was answered is known exactly, whether or not the report has come yet.
    assert engine.usage.num_live_tokens == engine.usage.num_tokens > 5
