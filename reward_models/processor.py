"""What the processor and the memory of this machine are good for, when a model runs on them.

`choose_dtype` picks the number type in which a language model generates fastest, with the reason;
`usable_cores` and `available_gib` respect the limits of a container. Nothing here is cached: a
container's limits and the free memory change.
"""

import math
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

_CGROUP = Path("/sys/fs/cgroup")
_NATIVE = ("amx_bf16", "avx512_bf16")
"""Flags of /proc/cpuinfo for instructions that multiply bfloat16 numbers."""
_ISA_LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY")
"""Environment variables that keep torch and oneDNN from using all that the flags promise."""
_GIB = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class DtypeChoice:
    """The number type for a model on this processor."""

    dtype: Literal["bfloat16", "float32"]
    reason: str
    """Why, as half a sentence for the user."""


def choose_dtype(
    flags: frozenset[str] | None = None, measure: Callable[[], float] | None = None
) -> DtypeChoice:
    """The type in which matrix products are fastest here.

    `flags` are those of /proc/cpuinfo, read if not given; an empty set says that they are unknown.
    Where they do not decide, `measure` does: it returns the time of a bfloat16 product over that of a
    float32 one. Without native instructions bfloat16 is 20 to 100 times slower, so the flags alone
    are believed only where they are clear.
    """
    flags = processor_flags() if flags is None else flags
    limits = [name for name in _ISA_LIMITS if os.environ.get(name)]
    native = [name for name in _NATIVE if name in flags]
    if native and not limits:
        return DtypeChoice(dtype="bfloat16", reason=f"the processor has {native[0]}")
    if flags and not native and "avx512f" not in flags and _is_x86():
        has = "AVX2" if "avx2" in flags else "neither AVX2 nor AVX-512"
        return DtypeChoice(
            dtype="float32", reason=f"the processor has {has}, and no instructions for bfloat16"
        )
    ratio = (measure or bfloat16_slowdown)()
    because = f"measured: a bfloat16 product takes {ratio:.2g} times as long as a float32 one"
    return DtypeChoice(dtype="bfloat16" if ratio <= 1 else "float32", reason=because)


def processor_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """The first processor's flags; empty where the system does not list them."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return frozenset()
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


def bfloat16_slowdown() -> float:
    """Time of a bfloat16 matrix product over that of a float32 one, of a small model's shape.

    Takes a few milliseconds; a tenth of a second where bfloat16 is slow.
    """
    import torch

    def seconds(dtype: torch.dtype) -> float:
        inputs, weight = torch.ones(16, 1024, dtype=dtype), torch.ones(2048, 1024, dtype=dtype)
        fastest = math.inf
        # The first product also sets up the kernel.
        for _ in range(4):
            began = time.perf_counter()
            torch.nn.functional.linear(inputs, weight)
            fastest = min(fastest, time.perf_counter() - began)
        return fastest

    return seconds(torch.bfloat16) / seconds(torch.float32)


def usable_cores(cgroup: Path = _CGROUP) -> list[int]:
    """Numbers of the cores to compute on: those that this process may use, no more than its
    container has processor time for. A thread beyond that would only make the others wait."""
    cores = sorted(os.sched_getaffinity(0))
    quota = _cpu_quota(cgroup)
    return cores if quota is None else cores[: max(1, math.ceil(quota))]


def available_gib(cgroup: Path = _CGROUP) -> float:
    """Memory that can still be used, in GiB: the machine's, or what a container's limit leaves."""
    free = psutil.virtual_memory().available
    limit, used = _read_number(cgroup / "memory.max"), _read_number(cgroup / "memory.current")
    if limit is None:
        limit = _read_number(cgroup / "memory" / "memory.limit_in_bytes")
        used = _read_number(cgroup / "memory" / "memory.usage_in_bytes")
    if limit is not None and used is not None:
        free = min(free, max(0, limit - used))
    return free / _GIB


def _cpu_quota(cgroup: Path) -> float | None:
    """Processors' worth of time that the container may use; None without a limit."""
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        of_version_1 = cgroup / "cpu"
        whole = _read_number(of_version_1 / "cpu.cfs_quota_us")
        period_us = _read_number(of_version_1 / "cpu.cfs_period_us")
        return whole / period_us if whole and period_us and whole > 0 else None


def _read_number(path: Path) -> int | None:
    """None for a file that is missing or says `max`."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _is_x86() -> bool:
    return platform.machine().lower() in ("x86_64", "amd64")
