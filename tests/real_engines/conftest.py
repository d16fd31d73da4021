"""Engines that are loaded once for all tests here, and ended before other tests begin."""

import os
import warnings
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from pipeline.engines import PromptFormat
from pipeline.engines.vllm import VllmEngine
from pipeline.engines.vllm_server import VllmServerEngine
from tests.conftest import REAL_MODEL, TinyModels
from tests.vllm_servers import SOLVER_OPTIONS, VllmServer, forked_engines, serving


@pytest.fixture(scope="package", autouse=True)
def one_core() -> Iterator[None]:
    """Engines compute on one core: several OpenMP threads wait for each other busily, and take the
    cores from the tests of the other process."""
    with forked_engines():
        yield


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def real_engine() -> AsyncIterator[VllmEngine]:
    """vLLM with SmolLM2-135M-Instruct, loaded once."""
    config = VllmEngine.Config(model=REAL_MODEL, max_model_len=1024, cpu_kv_cache_gib=1)
    engine = VllmEngine(config, PromptFormat(template="{problem}"), 0)
    before = dict(os.environ)
    with warnings.catch_warnings():
        # Importing vLLM and torch warns of their own affairs.
        warnings.simplefilter("ignore")
        await engine.start()
    yield engine
    await engine.close()
    os.environ.clear()
    os.environ.update(before)


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def tiny_engine(tiny_models: TinyModels) -> AsyncIterator[VllmEngine]:
    """vLLM in this process with `tiny_models.one`."""
    config = VllmEngine.Config(model=str(tiny_models.one), dtype="float32", cpu_kv_cache_gib=1)
    engine = VllmEngine(config, PromptFormat(), 0)
    before = dict(os.environ)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        await engine.start()
    yield engine
    await engine.close()
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="package")
def tiny_server(
    tiny_models: TinyModels, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[VllmServer]:
    """A vLLM server that starts with `tiny_models.one` and names the weights in its answers."""
    options = (*SOLVER_OPTIONS, "--enable-scale-out")
    with serving(tiny_models.one, tmp_path_factory.mktemp("server"), *options) as server:
        yield server


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def server_engine(
    tiny_models: TinyModels, tiny_server: VllmServer
) -> AsyncIterator[VllmServerEngine]:
    """The engine of `tiny_server`."""
    config = VllmServerEngine.Config(model=str(tiny_models.one), addresses=(tiny_server.address,))
    engine = VllmServerEngine(config, PromptFormat(), 0)
    await engine.start()
    yield engine
    await engine.close()
