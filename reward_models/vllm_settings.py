"""vLLM settings for CPUs, for any engine; `docs/engines.md` has the measurements."""

import ctypes.util
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from reward_models.processor import available_gib, choose_dtype, usable_cores

_MOST_GIB = 4
"""A model that fits on a CPU cannot fill a larger key-value cache."""
_SHARE = 4
"""The cache takes at most this fraction (one over this number) of the free memory. Weights, the
engine's processes and the run's other processes need the rest."""
_OF_SEVERAL_PROCESSES = {
    "distributed_executor_backend",
    "tensor_parallel_size",
    "pipeline_parallel_size",
    "data_parallel_size",
}
"""Arguments with which an engine has more processes than one, or says which."""


class TooLittleMemory(Exception):
    """The machine cannot hold the requested key-value cache; the message is one line."""


class NoVllm(Exception):
    """vLLM cannot be imported; the message is one line."""


def kv_cache_gib(asked: int | None = None, available: float | None = None) -> int:
    """Size of the key-value cache in GiB: as configured, otherwise chosen by the free memory.

    Raises TooLittleMemory if more is configured than is free: the system would later kill the engine
    without a message.
    """
    available = available_gib() if available is None else available
    if asked is None:
        return max(1, min(_MOST_GIB, int(available / _SHARE)))
    if asked > available:
        raise TooLittleMemory(
            f"cpu_kv_cache_gib: expected at most {int(available)}, the free memory in GiB, got {asked}"
        )
    return asked


def cpu_arguments(dtype: str) -> dict[str, Any]:
    """Arguments of AsyncEngineArgs; `dtype` is one of vLLM's, or `auto` for the fastest here."""
    return {
        # The default of 128 keeps short prefixes out of the prefix cache; values under 32 are refused.
        "block_size": 32,
        # torch.compile takes a minute and gains a few per cent.
        "enforce_eager": True,
        "max_num_seqs": 128,
        "dtype": choose_dtype().dtype if dtype == "auto" else dtype,
    }


def set_cpu_environment(cache_gib: int, threads: str | None = None) -> None:
    """Sets the environment variables that vLLM's engine process reads at start, unless already set.

    `threads` are the cores to compute on, such as `0-7`; None means `usable_cores`.
    """
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", str(cache_gib))
    cores = threads or ",".join(map(str, usable_cores()))
    os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", cores)
    libraries = preload_libraries()
    if libraries and "LD_PRELOAD" not in os.environ:
        os.environ["LD_PRELOAD"] = ":".join(libraries)


def start_engine(
    arguments: dict[str, Any], *, on_cpu: bool, stat_loggers: Sequence[Any] | None = None
) -> Any:
    """An `AsyncLLM` of these arguments of AsyncEngineArgs. Raises NoVllm, and what vLLM raises.

    On a CPU, vLLM would start a process for the model beside the engine's, to set OpenMP's variables
    for it. Set for the engine's process they do the same, and one process less loads vLLM: the start
    takes a third less time. Options that ask for several processes are left alone.
    """
    try:
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.usage.usage_lib import UsageContext
        from vllm.v1.engine.async_llm import AsyncLLM
    except ImportError as e:
        raise NoVllm(f"vLLM cannot be imported ({e}); `berry doctor` says what is missing") from e

    in_one = on_cpu and not arguments.keys() & _OF_SEVERAL_PROCESSES
    variables: AbstractContextManager[None] = nullcontext()
    if in_one:
        from vllm.v1.executor.uniproc_executor import UniProcExecutor

        # The class, as vLLM takes its name `uni` for a default and changes it.
        arguments = {**arguments, "distributed_executor_backend": UniProcExecutor}
    config = AsyncEngineArgs(**arguments).create_engine_config(UsageContext.ENGINE_CONTEXT)
    if in_one:
        from vllm.utils.ompmultiprocessing import OMPProcessManager

        variables = OMPProcessManager(config).configure_omp_envs(0, 0)
    with variables:
        return AsyncLLM.from_vllm_config(
            config,
            stat_loggers=None if stat_loggers is None else [*stat_loggers],
            disable_log_stats=arguments.get("disable_log_stats", False),
        )


def set_quiet_environment() -> None:
    """Turns off vLLM's usage reports, and makes it spawn processes, as threads require."""
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")


def preload_libraries() -> list[str]:
    """Paths of installed libraries that make vLLM faster on a CPU: tcmalloc and Intel's OpenMP."""
    tcmalloc = ctypes.util.find_library("tcmalloc_minimal")
    openmp = Path(sys.prefix) / "lib" / "libiomp5.so"
    return [*([tcmalloc] if tcmalloc else []), *([str(openmp)] if openmp.exists() else [])]
