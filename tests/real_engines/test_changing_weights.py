"""What every engine guarantees whose weights can change: the simulated one, vLLM, and vLLM servers."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.engines import (
    Completion,
    PromptFormat,
    ReportsLoad,
    Request,
    Sampling,
    Updatable,
    WeightsRefused,
    join_versions,
)
from pipeline.engines.simulated import SimulatedEngine
from tests.conftest import TinyModels, make_problem
from tests.patience import until

pytestmark = pytest.mark.asyncio(loop_scope="session")
REAL = pytest.param("tiny_engine", marks=pytest.mark.engine)
SERVER = pytest.param("server_engine", marks=pytest.mark.engine)


@dataclass(frozen=True)
class Case:
    """An engine, the name of other weights for it, and names of weights that do not fit it."""

    engine: Any
    other: str
    bad: tuple[str, ...]


@pytest.fixture
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    if request.param == "simulated":
        engine = SimulatedEngine(SimulatedEngine.Config(token_seconds=0.002), PromptFormat())
        return Case(engine, "error_rate=0.9", ("error_rate=2", "colour=blue", "error_rate", ""))
    models: TinyModels = request.getfixturevalue("tiny_models")
    real = request.getfixturevalue(request.param)
    # Each test changes the weights, and finds those that the last one left.
    other = models.other if real.model_version == str(models.one) else models.one
    return Case(real, str(other), (str(models.wider), "./nowhere", str(tmp_path)))


def make_request(engine: Any, number: int = 0, **options: Any) -> Request:
    chosen = Sampling(**{"temperature": 0.0, "max_tokens": 24, **options})
    ids = engine.encode(make_problem(f"What is {number} + 3?")).token_ids
    return Request(
        token_ids=ids,
        num_rollouts=1,
        max_tokens=chosen.max_tokens,
        sampling=chosen,
        seed=7,
        tree=number,
    )


async def sample(engine: Any, number: int = 0, **options: Any) -> Completion:
    (completion,) = await engine.generate(make_request(engine, number, **options))
    assert isinstance(completion, Completion)
    return completion


def by_transformers(model: str, ids: tuple[int, ...], count: int) -> tuple[int, ...]:
    """The greedy continuation, up to its end token."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.inference_mode():
        loaded = AutoModelForCausalLM.from_pretrained(model)
        sampled = loaded.generate(
            torch.tensor([ids]), max_new_tokens=count, do_sample=False, pad_token_id=0
        )
    return tuple(sampled[0][len(ids) :].tolist())


@pytest.mark.parametrize("case", ["simulated", REAL, SERVER], indirect=True)
class TestChangingWeights:
    async def test_the_answers_are_those_of_the_new_weights(self, case: Case) -> None:
        assert _can(case.engine, Updatable)
        old = case.engine.model_version
        before = [await sample(case.engine, n) for n in range(3)]
        new = await case.engine.update_weights(case.other)
        after = [await sample(case.engine, n) for n in range(3)]
        assert new == case.engine.model_version != old
        assert {one.model_version for one in before} == {old}
        assert {one.model_version for one in after} == {new}
        assert [one.token_ids for one in before] != [one.token_ids for one in after]
        if isinstance(case.engine, SimulatedEngine):
            return
        for version, found in ((old, before), (new, after)):
            for number, completion in enumerate(found):
                ids = tuple(make_request(case.engine, number).token_ids)
                assert completion.token_ids == by_transformers(version, ids, 24)

    async def test_requests_under_way_finish_on_the_old_weights_and_none_is_lost(
        self, case: Case
    ) -> None:
        old = case.engine.model_version
        long = {"temperature": 1.0, "max_tokens": 300}
        first = [asyncio.create_task(sample(case.engine, n, **long)) for n in range(12)]
        await until(lambda: _is_busy(case))
        change = asyncio.create_task(case.engine.update_weights(case.other))
        await asyncio.sleep(0)
        then = [asyncio.create_task(sample(case.engine, n, **long)) for n in range(12)]
        new = await change
        last = await sample(case.engine)
        done = await asyncio.gather(*first, *then)
        assert [one.model_version for one in done[:12]] == [old] * 12
        # Which of the two a request has that comes at the same time is not determined.
        assert {one.model_version for one in done[12:]} <= {old, new}
        assert last.model_version == new

    async def test_kept_requests_go_on_with_the_new_weights(self, case: Case) -> None:
        old, found = case.engine.model_version, list[Completion]()
        ended = asyncio.Event()

        async def keep_busy(number: int) -> None:
            # At whatever moment the weights change, requests are under way.
            while not ended.is_set():
                found.append(await sample(case.engine, number, temperature=1.0, max_tokens=400))

        busy = [asyncio.create_task(keep_busy(number)) for number in range(32)]
        await until(lambda: _is_busy(case))
        try:
            new = await case.engine.update_weights(case.other, keep=True)
            both = {join_versions((old, new)), join_versions((new, old))}
            # All requests may end between the moment from which new ones wait and the pause. Then the
            # weights change back, as often as it takes.
            while not isinstance(case.engine, SimulatedEngine):
                count = len(found)
                await until(lambda: len(found) >= count + 2 * len(busy))  # noqa: B023 - awaited here
                if both & {one.model_version for one in found}:
                    break
                back = old if case.engine.model_version == new else new
                await case.engine.update_weights(back, keep=True)
        finally:
            ended.set()
        greedy = await sample(case.engine)
        await asyncio.gather(*busy)
        assert {one for each in found for one in str(each.model_version).split(" > ")} <= {old, new}
        if isinstance(case.engine, SimulatedEngine):
            return
        # Nothing that the other weights computed is left in the cache.
        ids = tuple(make_request(case.engine).token_ids)
        assert greedy.token_ids == by_transformers(case.engine.model_version, ids, 24)

    async def test_weights_that_do_not_fit_are_refused_in_one_line(self, case: Case) -> None:
        version = case.engine.model_version
        before = await sample(case.engine)
        for bad in case.bad:
            with pytest.raises(WeightsRefused, match=r"update_weights: expected .*, (got|but)") as told:
                await case.engine.update_weights(bad)
            assert "\n" not in str(told.value)
        assert case.engine.model_version == version
        assert (await sample(case.engine)).token_ids == before.token_ids

    async def test_weights_that_cannot_be_loaded_leave_the_old_ones(
        self, case: Case, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if isinstance(case.engine, SimulatedEngine):
            return
        # As if the files were deleted after the check.
        for module in ("vllm", "vllm_server.engine"):
            monkeypatch.setattr(f"pipeline.engines.{module}.find_weights", lambda model, _: model)
        monkeypatch.setattr("pipeline.engines.vllm_server.changing.locate", lambda model: model)
        version = case.engine.model_version
        before = await sample(case.engine)
        long = {"temperature": 1.0, "max_tokens": 300}
        kept = [asyncio.create_task(sample(case.engine, n, **long)) for n in range(4)]
        await until(lambda: _is_busy(case))
        with pytest.raises(WeightsRefused, match=r"update_weights: .*/gone/away") as told:
            await case.engine.update_weights("/gone/away", keep=True)
        assert "\n" not in str(told.value)
        assert {one.model_version for one in await asyncio.gather(*kept)} == {version}
        assert (await sample(case.engine)).token_ids == before.token_ids

    async def test_its_load_rises_and_falls(self, case: Case) -> None:
        assert _can(case.engine, ReportsLoad)
        busy = await load_while_busy(case)
        assert 0 < busy.num_running + busy.num_waiting <= 8
        idle = await case.engine.load()
        assert idle is not None
        assert idle.num_running == idle.num_waiting == 0
        if not isinstance(case.engine, SimulatedEngine):
            assert 0 < busy.kv_used < 1
            assert idle.kv_used == 0
            assert idle.num_sampled_tokens > busy.num_sampled_tokens
            assert idle.num_prompt_tokens > idle.num_cached_tokens >= 0


def _can(engine: Any, interface: type) -> bool:
    """Apart, since mypy would then know the engine by this interface alone."""
    return isinstance(engine, interface)


async def load_while_busy(case: Case) -> Any:
    """The load during eight requests; they are repeated if they end before it has been read."""
    long = {"temperature": 1.0, "max_tokens": 900}
    while True:
        tasks = [asyncio.create_task(sample(case.engine, n, **long)) for n in range(8)]
        load = None
        while not all(task.done() for task in tasks) and not (load and load.num_running):
            load = await case.engine.load()
            await asyncio.sleep(0.01)
        await asyncio.gather(*tasks)
        if load and load.num_running:
            return load


def _is_busy(case: Case) -> bool:
    """Whether requests have been sent; for vLLM in process, whether they are being sampled."""
    if isinstance(case.engine, SimulatedEngine):
        return case.engine._gate.num_inside > 0
    load = getattr(case.engine, "_load", None)
    if load is not None:
        return bool(load.num_running)
    return any(server.num_under_way for server in case.engine._routing.servers)
