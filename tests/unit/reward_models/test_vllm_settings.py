"""In how many processes an engine starts; the real one is in `tests/real_engines`."""

import contextlib
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from reward_models.vllm_settings import NoVllm, start_engine


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a vLLM that starts nothing was asked to do, in order."""
    calls: list[str] = []

    class AsyncEngineArgs:
        def __init__(self, **arguments: Any) -> None:
            self.arguments = arguments

        def create_engine_config(self, _: object) -> dict[str, Any]:
            return self.arguments

    class OMPProcessManager:
        def __init__(self, config: dict[str, Any]) -> None:
            pass

        @contextlib.contextmanager
        def configure_omp_envs(self, rank: int, local_rank: int) -> Iterator[None]:
            calls.append("variables set")
            yield
            calls.append("variables put back")

    def from_vllm_config(config: dict[str, Any], **_: Any) -> None:
        calls.append(f"started by {config.get('distributed_executor_backend', 'the default')}")

    parts: dict[str, dict[str, Any]] = {
        "engine.arg_utils": {"AsyncEngineArgs": AsyncEngineArgs},
        "usage.usage_lib": {"UsageContext": SimpleNamespace(ENGINE_CONTEXT="engine")},
        "utils.ompmultiprocessing": {"OMPProcessManager": OMPProcessManager},
        "v1.engine.async_llm": {"AsyncLLM": SimpleNamespace(from_vllm_config=from_vllm_config)},
        "v1.executor.uniproc_executor": {"UniProcExecutor": "one process"},
    }
    for name, members in parts.items():
        module = ModuleType(f"vllm.{name}")
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, f"vllm.{name}", module)
    return calls


def test_on_a_cpu_the_engine_starts_in_one_process_with_its_variables(started: list[str]) -> None:
    start_engine({"model": "m"}, on_cpu=True)
    assert started == ["variables set", "started by one process", "variables put back"]


@pytest.mark.parametrize(
    "options", [{"distributed_executor_backend": "mp"}, {"tensor_parallel_size": 2}]
)
def test_options_of_several_processes_are_left_to_vllm(
    started: list[str], options: dict[str, Any]
) -> None:
    start_engine({"model": "m", **options}, on_cpu=True)
    assert started == [f"started by {options.get('distributed_executor_backend', 'the default')}"]


def test_a_gpu_is_left_to_vllm(started: list[str]) -> None:
    start_engine({"model": "m"}, on_cpu=False)
    assert started == ["started by the default"]


def test_a_vllm_that_cannot_be_imported_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm.engine.arg_utils", None)
    with pytest.raises(NoVllm, match=r"cannot be imported \(.*arg_utils.*\); `berry doctor`"):
        start_engine({"model": "m"}, on_cpu=True)
