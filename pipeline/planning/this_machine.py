"""What this machine's processors read and compute, by timing both."""

import time
from collections.abc import Callable
from typing import Any

from pipeline.planning.hardware import Accelerator, Hardware, NoHardware
from reward_models.processor import available_gib, usable_cores

NAME = "this"
"""The hardware of this name is measured."""
_MATRIX_BYTES = 2**28
"""More than any cache holds."""
_SIZE = 1024
"""Rows and columns of the matrices that are multiplied."""
_REPETITIONS = 5
_SLOW = 0.2
"""Type whose operations are slower than this fraction of float32's: no kernel is made for it."""


def this_machine() -> Hardware:
    """Measures for a second or two, the best of several times. Raises NoHardware without torch."""
    try:
        import torch
    except ImportError as e:
        raise NoHardware(f"--hardware {NAME}: expected torch to measure with, got none") from e
    threads = torch.get_num_threads()
    torch.set_num_threads(len(usable_cores()))
    try:
        columns = 4096
        matrix = torch.ones(_MATRIX_BYTES // 4 // columns, columns)
        vector = torch.ones(columns)
        read_seconds = _best(lambda: matrix @ vector)
        tflops = {"float32": _tflops(torch.float32)}
        if (bfloat16 := _tflops(torch.bfloat16)) > _SLOW * tflops["float32"]:
            tflops["bfloat16"] = bfloat16
    finally:
        torch.set_num_threads(threads)
    row = Accelerator(
        name=NAME,
        memory_gb=available_gib() * 2**30 / 1e9,
        bandwidth_tb=_MATRIX_BYTES / read_seconds / 1e12,
        tflops=tflops,
    )
    return Hardware(accelerator=row)


def _tflops(dtype: Any) -> float:
    import torch

    one, other = torch.ones(_SIZE, _SIZE, dtype=dtype), torch.ones(_SIZE, _SIZE, dtype=dtype)
    return 2 * _SIZE**3 / _best(lambda: one @ other) / 1e12


def _best(work: Callable[[], object]) -> float:
    """Seconds of the fastest repetition, after one that does not count."""
    work()
    times = []
    for _ in range(_REPETITIONS):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)
