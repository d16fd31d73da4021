"""Both backends give the same scores with the real engine, with and without reused prefixes."""

import asyncio
import os
import warnings
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from reward_models import Steps
from reward_models.errors import RewardModelDied, RewardModelError
from reward_models.serving.model import Orm, Prm, ServingConfig
from reward_models.serving.on_servers import OnServers, _Server
from reward_models.serving.on_vllm import OnVllm
from tests.tiny_models import byte_level, reward_model
from tests.vllm_servers import VllmServer, serving

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]
_TOLERANCE = 1e-2
TEXTS = [f"Step {n}: we take {n * 37} and add {n}, which gives {n * 38}.\n" for n in range(1, 9)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PRM and an ORM with random weights."""
    made = tmp_path_factory.mktemp("models")
    for kind in ("prm", "orm"):
        reward_model(made / kind, kind)
    return made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def on_vllm(folder: Path) -> AsyncIterator[Prm]:
    """The PRM in an engine, once for all tests here."""
    model = Prm(ServingConfig(model=str(folder / "prm"), backend="vllm"))
    before = dict(os.environ)
    with warnings.catch_warnings():
        # Importing vLLM and torch issues warnings of their own.
        warnings.simplefilter("ignore")
        await model.start()
    yield model
    await model.close()
    await model.close()
    with pytest.raises(RewardModelDied):
        await model.score([steps(0, 1)])
    os.environ.clear()
    os.environ.update(before)


def steps(problem: int, count: int) -> Steps:
    tokenizer = byte_level()
    prompt = f"What is {problem} and more? Explain it at some length, please."
    texts = TEXTS[problem % 3 :][:count]
    return Steps(
        prompt=prompt,
        prompt_token_ids=tuple(tokenizer.encode(prompt)),
        texts=tuple(texts),
        token_ids=tuple(tuple(tokenizer.encode(text)) for text in texts),
    )


async def by_transformers(folder: Path, batch: Sequence[Steps]) -> list[tuple[float | None, ...]]:
    model = Prm(ServingConfig(model=str(folder / "prm"), backend="transformers"))
    await model.start()
    found = [one.values for one in await model.score(batch)]
    await model.close()
    return found


def assert_close(
    one: Sequence[Sequence[float | None]], other: Sequence[Sequence[float | None]]
) -> None:
    assert [len(values) for values in one] == [len(values) for values in other]
    for values, others in zip(one, other, strict=True):
        assert values == pytest.approx(others, abs=_TOLERANCE)


async def test_whole_responses(folder: Path, on_vllm: Prm) -> None:
    batch = [steps(problem, 5) for problem in range(12)]
    found = [one.values for one in await on_vllm.score(batch)]
    assert_close(found, await by_transformers(folder, batch))
    # Indistinguishable scores would prove nothing.
    known = [value for values in found for value in values if value is not None]
    assert max(known) - min(known) > 10 * _TOLERANCE


async def test_growing_responses_are_read_on_from_where_they_were(folder: Path, on_vllm: Prm) -> None:
    reads: list[bool] = []
    backend = on_vllm._backend
    assert isinstance(backend, OnVllm)
    plain_read = backend._read

    async def counted(one: object, *, afresh: bool) -> tuple[int, list[float]]:
        reads.append(afresh)
        return await plain_read(one, afresh=afresh)  # type: ignore[arg-type]

    backend._read = counted  # type: ignore[method-assign]
    problems = range(100, 104)
    for count in range(1, 6):
        found = await on_vllm.score([steps(problem, count) for problem in problems])
        wanted = await by_transformers(folder, [steps(problem, count) for problem in problems])
        assert_close([one.values for one in found], wanted)
    # New steps are read, known ones are not read at all.
    assert reads == [False] * 20
    await on_vllm.score([steps(problem, 3) for problem in problems])
    assert len(reads) == 20
    # Without the earlier steps' scores the whole sequence is read again.
    backend._kept.clear()
    again = await on_vllm.score([steps(problem, 6) for problem in problems])
    assert True in reads
    wanted = await by_transformers(folder, [steps(problem, 6) for problem in problems])
    assert_close([one.values for one in again], wanted)
    backend._read = plain_read  # type: ignore[method-assign]


async def test_many_calls_at_once_each_get_their_own(folder: Path, on_vllm: Prm) -> None:
    batches = [[steps(problem, 1 + problem % 4)] for problem in range(200, 240)]
    found = await asyncio.gather(*map(on_vllm.score, batches))
    wanted = await by_transformers(folder, [one for batch in batches for one in batch])
    assert_close([one.values for batch in found for one in batch], wanted)


async def test_an_orm_gives_the_same_by_both_until_its_engine_dies(folder: Path, on_vllm: Prm) -> None:
    batch = [steps(problem, 4) for problem in range(6)]
    plain = Orm(ServingConfig(model=str(folder / "orm"), backend="transformers"))
    await plain.start()
    model = Orm(ServingConfig(model=str(folder / "orm"), backend="vllm"))
    before = set(psutil.Process().children(recursive=True))
    await model.start()
    born = set(psutil.Process().children(recursive=True)) - before
    found, wanted = [[one.values for one in await either.score(batch)] for either in (model, plain)]
    assert_close(found, wanted)
    assert all(values[:-1] == (None,) * 3 and values[-1] is not None for values in found)
    assert born
    for process in born:
        process.kill()
    psutil.wait_procs(born)
    with pytest.raises(RewardModelDied):
        await model.score([steps(7, 4)])
    for either in (model, plain):
        await either.close()


@pytest.fixture(scope="module")
def pooling_server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmServer]:
    """The PRM on a vLLM server."""
    overrides = '{"architectures": ["LlamaForSequenceClassification"]}'
    task = "--pooler-config.task=token_classify"
    options = ("--runner=pooling", task, f"--hf-overrides={overrides}")
    with serving(folder / "prm", tmp_path_factory.mktemp("pooling"), *options) as server:
        yield server


async def test_a_server_gives_the_same_scores(folder: Path, pooling_server: VllmServer) -> None:
    """What is sent to a second address, which is of no server, is repeated on the first."""
    addresses = (f"{pooling_server.address}/v1",)
    model = Prm(ServingConfig(model=str(folder / "prm"), addresses=addresses))
    await model.start()
    assert isinstance(model._backend, OnServers)
    gone = _Server("http://127.0.0.1:9", name="gone")
    model._backend._servers.append(gone)
    batch = [steps(problem, 5) for problem in range(12)]
    found = [one.values for one in await model.score(batch)]
    assert_close(found, await by_transformers(folder, batch))
    assert gone.rests_until > 0
    # Prefixes that the server has in its cache are scored again.
    grown = [steps(problem, 6) for problem in range(12)]
    again = [one.values for one in await model.score(grown)]
    assert_close(again, await by_transformers(folder, grown))
    await model.close()
    await model.close()
    with pytest.raises(RewardModelDied):
        await model.score(batch)


async def test_a_server_that_cannot_serve_the_model_is_refused_at_the_start(
    folder: Path, pooling_server: VllmServer
) -> None:
    for kind, options, complaint in (
        (
            Orm,
            {"model": "orm", "addresses": (pooling_server.address,)},
            "a server of .*orm, got one of",
        ),
        (Prm, {"model": "prm", "addresses": ("http://127.0.0.1:9",)}, "vllm serve .*--runner pooling"),
    ):
        config = ServingConfig.model_validate(options | {"model": str(folder / str(options["model"]))})
        with pytest.raises(RewardModelError, match=complaint) as raised:
            await kind(config).start()
        assert "\n" not in str(raised.value)


async def test_what_vllm_does_not_take_is_one_line(folder: Path) -> None:
    model = Prm(
        ServingConfig(model=str(folder / "prm"), backend="vllm", options={"max_num_seqs": "many"})
    )
    with pytest.raises(RewardModelError, match="vLLM cannot start") as raised:
        await model.start()
    assert "\n" not in str(raised.value)
