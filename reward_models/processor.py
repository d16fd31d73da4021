"""Capabilities of this machine's processor and memory for running a model.

`choose_dtype` picks the number type in which a language model generates fastest, with the reason;
`usable_cores` and `available_gib` respect a container's limits. Nothing is cached here, because limits
and free memory change.
"""

import math
import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import psutil

_NATIVE = ("amx_bf16", "avx512_bf16")
"""Flags in /proc/cpuinfo for instructions that multiply bfloat16 numbers."""
_ISA_LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY")
"""Environment variables that stop torch and oneDNN from using all that the flags promise."""
_GIB = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class DtypeChoice:
    """The number type for a model on this processor."""

    dtype: Literal["bfloat16", "float32"]
    reason: str
    """Reason, as a clause for the user."""


def choose_dtype(
    flags: frozenset[str] | None = None, measure: Callable[[], float] | None = None
) -> DtypeChoice:
    """The type in which matrix products are fastest here.

    `flags` are those in /proc/cpuinfo, read if None; an empty set means unknown. If they do not decide,
    `measure` does: it returns the time of a bfloat16 product divided by that of a float32 one. Without
    native instructions bfloat16 is 20 to 100 times slower, so the flags alone decide only if they are
    unambiguous.
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
    """The first processor's flags; empty if the system does not list them."""
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
    """Time of a bfloat16 matrix product divided by that of a float32 one, at a small model's size.

    Takes a few milliseconds, or a tenth of a second if bfloat16 is slow.
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


def usable_cores(cgroups: Path | None = None) -> list[int]:
    """Numbers of the cores to compute on.

    These are cores that this process may use, at most as many as its container or job has processor
    time for. More threads would only make the others wait.

    `cgroups` is the folder in which the kernel shows control groups; None means /sys/fs/cgroup.
    """
    cores = sorted(os.sched_getaffinity(0))
    quotas = [quota for folder in _groups("cpu", cgroups) if (quota := _cpu_quota(folder)) is not None]
    return cores[: max(1, math.ceil(min(quotas)))] if quotas else cores


def available_gib(cgroups: Path | None = None) -> float:
    """Available memory in GiB: the machine's, or the rest of a container's or job's limit if less."""
    free: float = psutil.virtual_memory().available
    for folder in _groups("memory", cgroups):
        left = _memory_left(folder)
        free = free if left is None else min(free, left)
    return free / _GIB


def _groups(controller: str, cgroups: Path | None) -> Iterator[Path]:
    """Folders of this process's control groups, from its own up to the root: each can set a limit.

    In version 2 all controllers have one tree, in version 1 each has its own.
    """
    root = cgroups or Path("/sys/fs/cgroup")
    try:
        lines = (root / "self" if cgroups else Path("/proc/self/cgroup")).read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = root / controller if controllers else root
        group = PurePosixPath(path.lstrip("/"))
        # In a container the path can be the host's, of which only the end is visible.
        yield from (top / one for one in (group, *group.parents))


def _cpu_quota(group: Path) -> float | None:
    """Processor time per second that the group may use, in processors; None without a limit."""
    try:
        quota, period = (group / "cpu.max").read_text().split()
    except (OSError, ValueError):
        quota, period = (_read(group / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    try:
        return int(quota) / int(period) if int(quota) > 0 else None
    except (ValueError, ZeroDivisionError):
        return None


def _memory_left(group: Path) -> int | None:
    """Bytes left below the group's limit, counting file caches as free; None without a limit."""
    for limit_file, usage_file, cached in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            limit, used = int(_read(group / limit_file)), int(_read(group / usage_file))
        except ValueError:
            continue
        stats = dict(line.split() for line in _read(group / "memory.stat").splitlines())
        return max(0, limit - used + int(stats.get(cached, 0)))
    return None


def _read(path: Path) -> str:
    """The file's text; empty if it does not exist."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _is_x86() -> bool:
    return platform.machine().lower() in ("x86_64", "amd64")
