"""vLLM's settings that are right on a CPU, for any engine; measured in `docs/engines.md`."""

import ctypes.util
import os
import sys
from pathlib import Path
from typing import Any


def cpu_arguments(dtype: str) -> dict[str, Any]:
    """Arguments of AsyncEngineArgs; `dtype` is one of vLLM's, or `auto` for bfloat16."""
    return {
        # The default of 128 keeps short prefixes out of the prefix cache; under 32 is refused.
        "block_size": 32,
        # torch.compile takes a minute and gains a few per cent.
        "enforce_eager": True,
        "max_num_seqs": 128,
        "dtype": "bfloat16" if dtype == "auto" else dtype,
    }


def set_cpu_environment(kv_cache_gib: int, threads: str | None = None) -> None:
    """Sets what vLLM's engine process reads when it starts; what the user has set stays.

    `threads` are cores to compute on, such as `0-7`; all that this process may use if not given.
    """
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", str(kv_cache_gib))
    cores = sorted(os.sched_getaffinity(0))
    os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", threads or ",".join(map(str, cores)))
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
