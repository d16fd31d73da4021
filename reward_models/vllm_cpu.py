"""vLLM's settings that are right on a CPU, for any engine; measured in `docs/engines.md`."""

import ctypes.util
import os
import sys
from pathlib import Path
from typing import Any

from reward_models.processor import available_gib, choose_dtype, usable_cores

_MOST_GIB = 4
"""More key-value cache than this a model that fits a CPU does not fill."""
_SHARE = 4
"""An engine takes at most one part in so many of the free memory for its cache. Its weights, its
processes and the run's other processes need the rest."""


class TooLittleMemory(Exception):
    """The machine cannot hold the key-value cache that was asked for; the message is one line."""


def kv_cache_gib(asked: int | None = None, available: float | None = None) -> int:
    """GiB for the key-value cache: as asked for, else what suits the memory that is free.

    Raises TooLittleMemory where more is asked for than is free: the system would kill the engine
    later, without a word.
    """
    available = available_gib() if available is None else available
    if asked is None:
        return max(1, min(_MOST_GIB, int(available / _SHARE)))
    if asked > available:
        raise TooLittleMemory(
            f"cpu_kv_cache_gib: expected at most {int(available)}, the GiB of memory that are free, "
            f"got {asked}"
        )
    return asked


def cpu_arguments(dtype: str) -> dict[str, Any]:
    """Arguments of AsyncEngineArgs; `dtype` is one of vLLM's, or `auto` for the fastest here."""
    return {
        # The default of 128 keeps short prefixes out of the prefix cache; under 32 is refused.
        "block_size": 32,
        # torch.compile takes a minute and gains a few per cent.
        "enforce_eager": True,
        "max_num_seqs": 128,
        "dtype": choose_dtype().dtype if dtype == "auto" else dtype,
    }


def set_cpu_environment(cache_gib: int, threads: str | None = None) -> None:
    """Sets what vLLM's engine process reads when it starts; what the user has set stays.

    `threads` are cores to compute on, such as `0-7`; `usable_cores` if not given.
    """
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", str(cache_gib))
    cores = threads or ",".join(map(str, usable_cores()))
    os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", cores)
    libraries = preload_libraries()
    if libraries and "LD_PRELOAD" not in os.environ:
        os.environ["LD_PRELOAD"] = ":".join(libraries)


def set_quiet_environment() -> None:
    """No report to vLLM's makers, and processes that start afresh, which is what threads need."""
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")


def preload_libraries() -> list[str]:
    """Of the two libraries that make vLLM quicker on a CPU, those that this machine has."""
    tcmalloc = ctypes.util.find_library("tcmalloc_minimal")
    openmp = Path(sys.prefix) / "lib" / "libiomp5.so"
    return [*([tcmalloc] if tcmalloc else []), *([str(openmp)] if openmp.exists() else [])]
