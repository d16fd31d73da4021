"""An engine of real vLLM servers: the same tokens as in process, and no request lost with a server."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from pipeline.engines import (
    Completion,
    Engine,
    EngineDied,
    EngineStartError,
    PromptFormat,
    Request,
    RequestRejected,
    Sampling,
)
from pipeline.engines.vllm import VllmEngine
from pipeline.engines.vllm_server import VllmServerEngine
from pipeline.tree import Finish
from tests.conftest import TinyModels, make_problem
from tests.patience import until
from tests.tiny_models import base_model, word_piece
from tests.vllm_servers import SOLVER_OPTIONS, VllmServer, serving

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="session")]
LONG = "Explain it at some length, please. " * 4


def make_request(engine: Engine, number: int, **options: object) -> Request:
    pause = options.pop("pause", ())
    chosen = Sampling.model_validate({"temperature": 0.0, "max_tokens": 40, **options})
    ids = engine.encode(make_problem(f"{LONG}What is {number} + 3?")).token_ids
    return Request(
        token_ids=ids,
        num_rollouts=1,
        max_tokens=chosen.max_tokens,
        sampling=chosen,
        seed=5,
        pause=pause,  # type: ignore[arg-type]
        tree=number,
    )


async def sample(engine: Engine, number: int, **options: object) -> Completion:
    (completion,) = await engine.generate(make_request(engine, number, **options))
    return completion


@pytest.mark.parametrize("gives_versions", [True, False])
async def test_it_samples_what_the_engine_in_process_samples(
    tiny_engine: VllmEngine,
    server_engine: VllmServerEngine,
    tiny_models: TinyModels,
    gives_versions: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Through both of vLLM's endpoints."""
    (server,) = server_engine._routing.servers
    assert server.gives_versions
    monkeypatch.setattr(server, "gives_versions", gives_versions)
    for engine in (tiny_engine, server_engine):
        if engine.model_version != str(tiny_models.one):
            await engine.update_weights(str(tiny_models.one))
    kinds: list[dict[str, object]] = [
        {},
        {"stop": ("e", "a")},
        {"pause": ("e", "a")},
        {"max_tokens": 3},
    ]
    finishes = set()
    for number, options in enumerate(kinds):
        wanted = await sample(tiny_engine, number, **options)
        found = await sample(server_engine, number, **options)
        finishes.add(found.finish)
        assert found.token_ids == wanted.token_ids
        assert found.token_texts == wanted.token_texts
        assert (found.text, found.finish) == (wanted.text, wanted.finish)
        assert found.model_version == wanted.model_version == str(tiny_models.one)
        assert found.logprobs == pytest.approx(wanted.logprobs, abs=1e-4)
    assert Finish.LENGTH in finishes
    assert server_engine.encode(make_problem()) == tiny_engine.encode(make_problem())
    assert server_engine.tokenizer_digest == tiny_engine.tokenizer_digest


async def test_weights_that_another_client_changes_are_told(
    server_engine: VllmServerEngine, tiny_models: TinyModels
) -> None:
    other = VllmServerEngine(server_engine.config, PromptFormat(), 0)
    await other.start()
    before = other.model_version
    assert before == server_engine.model_version
    new = str(tiny_models.other if before == str(tiny_models.one) else tiny_models.one)
    await server_engine.update_weights(new)
    assert (await sample(other, 1)).model_version == new
    # Its own turn loads nothing, and one that starts later knows too.
    assert await other.update_weights(new) == new
    await other.close()
    third = VllmServerEngine(server_engine.config, PromptFormat(), 0)
    await third.start()
    assert third.model_version == new
    await third.close()


async def test_a_seed_repeats_and_another_differs(
    tiny_models: TinyModels, tiny_server: VllmServer
) -> None:
    config = VllmServerEngine.Config(
        model=str(tiny_models.one), addresses=(tiny_server.address,), request_seeds=True
    )
    engine = VllmServerEngine(config, PromptFormat(), 0)
    await engine.start()
    request = make_request(engine, 1, temperature=1.0)
    one, other = await engine.generate(request), await engine.generate(request)
    assert one[0].token_ids == other[0].token_ids
    from dataclasses import replace

    siblings = await engine.generate(replace(request, num_rollouts=4))
    assert siblings[0].token_ids == one[0].token_ids
    assert len({sibling.token_ids for sibling in siblings}) > 1
    await engine.close()


async def test_a_prefix_is_taken_from_the_servers_cache(server_engine: VllmServerEngine) -> None:
    request = make_request(server_engine, 77)
    (first,) = await server_engine.generate(request)
    (again,) = await server_engine.generate(request)
    assert first.num_cached_tokens is not None
    assert again.num_cached_tokens is not None
    assert again.num_cached_tokens >= len(request.token_ids) // 32 * 32 - 32 > 0


async def test_a_prompt_over_the_limit_is_refused_and_the_server_goes_on(
    server_engine: VllmServerEngine,
) -> None:
    request = Request(token_ids=[5] * 2000, num_rollouts=1, max_tokens=8, sampling=Sampling(), seed=0)
    with pytest.raises(RequestRejected, match="1024") as told:
        await server_engine.generate(request)
    assert "\n" not in str(told.value)
    assert await sample(server_engine, 0)


async def test_a_wrong_model_name_or_tokenizer_is_refused_at_the_start(
    tiny_models: TinyModels, tiny_server: VllmServer, tmp_path: Path
) -> None:
    other_tokenizer = base_model(tmp_path / "words", word_piece())
    address, name = tiny_server.address, str(tiny_models.one)
    for options, complaint in (
        ({"model": str(tiny_models.wider)}, "expected a server of .*wider, got one of .*one"),
        ({"model": name, "served_model": "gpt"}, "expected a server of gpt, got one of .*one"),
        ({"model": str(other_tokenizer), "served_model": name}, "reads a text as other token ids"),
        ({"model": name, "api_key_env": "NO_SUCH_KEY"}, "NO_SUCH_KEY, got none"),
        ({"model": name, "addresses": ("http://127.0.0.1:9",), "start_seconds": 0}, "vllm serve"),
    ):
        config = VllmServerEngine.Config.model_validate({"addresses": (address,), **options})
        with pytest.raises(EngineStartError, match=complaint) as told:
            await VllmServerEngine(config, PromptFormat(), 0).start()
        assert "\n" not in str(told.value)


@pytest.fixture(scope="module")
def second(tiny_models: TinyModels, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmServer]:
    with serving(tiny_models.one, tmp_path_factory.mktemp("second"), *SOLVER_OPTIONS) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def both(
    tiny_models: TinyModels, tiny_server: VllmServer, second: VllmServer
) -> AsyncIterator[VllmServerEngine]:
    addresses = (tiny_server.address, second.address)
    config = VllmServerEngine.Config(
        model=str(tiny_models.one), addresses=addresses, requests_per_server=24, down_seconds=3
    )
    engine = VllmServerEngine(config, PromptFormat(), 0)
    await engine.start()
    yield engine
    await engine.close()


async def test_trees_are_shared_out_and_stay(both: VllmServerEngine) -> None:
    await asyncio.gather(*(sample(both, tree, temperature=1.0) for tree in range(8)))
    homes = {tree: server.address for tree, server in both._routing._homes.items()}
    assert len(set(homes.values())) == 2
    again = [await sample(both, tree) for tree in range(8)]
    assert {tree: server.address for tree, server in both._routing._homes.items()} == homes
    # Each server has the prefixes of its own trees.
    assert all(completion.num_cached_tokens for completion in again)


async def test_no_request_is_lost_when_a_server_is_killed_and_it_is_used_when_it_is_back(
    both: VllmServerEngine, second: VllmServer, tiny_models: TinyModels, tmp_path: Path
) -> None:
    long = {"temperature": 1.0, "max_tokens": 400}
    tasks = [asyncio.create_task(sample(both, tree, **long)) for tree in range(100, 180)]
    dying = both._routing.servers[1]
    await until(lambda: dying.num_under_way == 24)
    await asyncio.sleep(0.3)
    second.kill()
    old = both.model_version
    completions = await asyncio.gather(*tasks)
    assert len(completions) == 80
    assert {completion.model_version for completion in completions} == {old}
    assert all(completion.finish is not Finish.ABORT for completion in completions)
    assert not dying.is_up
    # Its weights are changed while it is down, and it comes back with the old ones.
    used = both.model_version == str(tiny_models.one)
    new = await both.update_weights(str(tiny_models.other if used else tiny_models.one))
    wanted = await sample(both, 3)
    back = VllmServer(tiny_models.one, tmp_path / "back.log", *SOLVER_OPTIONS, port=second.port)
    try:
        await until(lambda: dying.is_up)
        first = both._routing.servers[0]
        first.is_up = False
        found = await sample(both, 3)
        assert not dying.gives_versions
        assert (found.token_ids, found.model_version) == (wanted.token_ids, new)
        first.is_up = True
    finally:
        back.kill()


async def test_the_engine_is_dead_when_every_server_has_been_gone_for_a_time(
    both: VllmServerEngine, tiny_server: VllmServer
) -> None:
    tasks = [asyncio.create_task(sample(both, tree, max_tokens=900)) for tree in range(200, 240)]
    await until(lambda: both._routing.servers[0].num_under_way)
    tiny_server.hang(on=True)
    for server in both._routing.servers:
        both._pool.drop(server, "hangs")  # type: ignore[union-attr]  # it has started
    done = await asyncio.gather(*tasks, return_exceptions=True)
    died = [one for one in done if isinstance(one, EngineDied)]
    assert died
    assert "every vLLM server has been down for 3 seconds" in str(died[0])
    tiny_server.hang(on=False)
    await until(lambda: both._routing.servers[0].is_up)
    assert await sample(both, 0)
