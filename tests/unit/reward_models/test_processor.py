"""Number type, cores and memory for a model on the CPU."""

import os
from pathlib import Path

import pytest

from reward_models.processor import (
    available_gib,
    bfloat16_slowdown,
    choose_dtype,
    processor_flags,
    usable_cores,
)
from reward_models.vllm_settings import TooLittleMemory, cpu_arguments, kv_cache_gib

AVX2 = frozenset("fma avx avx2 bmi2".split())
AVX512 = AVX2 | frozenset("avx512f avx512bw avx512vl avx512dq".split())


def never() -> float:
    raise AssertionError("expected the flags to decide, without a measurement")


@pytest.fixture(autouse=True)
def _no_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("reward_models.processor._is_x86", lambda: True)


@pytest.mark.parametrize(
    ("flags", "dtype", "reason"),
    [
        (AVX512 | {"avx512_bf16"}, "bfloat16", "avx512_bf16"),
        (AVX512 | {"avx512_bf16", "amx_bf16", "amx_tile"}, "bfloat16", "amx_bf16"),
        (AVX2, "float32", "AVX2"),
        (frozenset({"sse4_2"}), "float32", "neither"),
    ],
)
def test_flags_decide_where_they_are_clear(flags: frozenset[str], dtype: str, reason: str) -> None:
    choice = choose_dtype(flags, never)
    assert choice.dtype == dtype
    assert reason in choice.reason


@pytest.mark.parametrize("flags", [AVX512, frozenset()], ids=["AVX-512 alone", "unknown"])
@pytest.mark.parametrize(("ratio", "dtype"), [(0.6, "bfloat16"), (1.0, "bfloat16"), (31.0, "float32")])
def test_a_measurement_decides_where_flags_do_not(
    flags: frozenset[str], ratio: float, dtype: str
) -> None:
    choice = choose_dtype(flags, lambda: ratio)
    assert choice.dtype == dtype
    assert f"{ratio:.2g} times" in choice.reason


def test_another_architecture_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reward_models.processor._is_x86", lambda: False)
    assert choose_dtype(frozenset({"asimd"}), lambda: 2.0).dtype == "float32"


@pytest.mark.parametrize("name", ["ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY"])
def test_flags_are_not_believed_where_the_environment_limits_the_kernels(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "AVX2")
    assert choose_dtype(AVX512 | {"avx512_bf16"}, lambda: 20.0).dtype == "float32"


def test_the_measurement_agrees_with_this_machines_flags() -> None:
    """Clear flags on either side: native instructions are not slower, missing ones are much slower."""
    ratio, flags = min(bfloat16_slowdown() for _ in range(3)), processor_flags()
    if "avx512_bf16" in flags or "amx_bf16" in flags:
        assert ratio < 3
    elif "avx512f" not in flags:
        assert ratio > 1
    assert ratio > 0


def test_vllm_gets_the_type_that_was_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reward_models.processor.processor_flags", lambda: AVX2)
    assert cpu_arguments("auto")["dtype"] == "float32"
    assert cpu_arguments("bfloat16")["dtype"] == "bfloat16"


def test_flags_are_the_first_processors(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nflags\t\t: fpu avx2\nprocessor\t: 1\nflags\t\t: other\n")
    assert processor_flags(cpuinfo) == {"fpu", "avx2"}
    assert processor_flags(tmp_path / "none") == frozenset()


def make_groups(root: Path, line: str, **files: str) -> Path:
    """A tree of control groups in which this process is at the place that `line` says."""
    root.mkdir(exist_ok=True)
    (root / "self").write_text(f"{line}\n")
    for name, content in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")
    return root


@pytest.mark.parametrize(
    ("quota", "num_cores"),
    [("200000 100000", 2), ("150000 100000", 2), ("5000 100000", 1), ("max 100000", 64), ("", 64)],
)
@pytest.mark.parametrize("group", ["", "job__", "job__step__"])
def test_processor_time_limits_the_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: str, quota: str, num_cores: int
) -> None:
    """For a container, which is its own root, and a batch job, one or two groups below."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(64)))
    make_groups(tmp_path, "0::/job/step", **{f"{group}cpu_dot_max": quota})
    assert len(usable_cores(tmp_path)) == num_cores


@pytest.mark.parametrize(("quota", "num_cores"), [("-1", 8), ("300000", 3)])
def test_processor_time_is_found_in_groups_of_version_1_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, num_cores: int
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    limits = {"cpu__job__cpu_dot_cfs_period_us": "100000", "cpu__job__cpu_dot_cfs_quota_us": quota}
    make_groups(tmp_path, "4:memory:/other\n2:cpu,cpuacct:/job", **limits)
    assert len(usable_cores(tmp_path)) == num_cores


def test_without_control_groups_all_cores_and_all_memory_count(tmp_path: Path) -> None:
    assert len(usable_cores(tmp_path)) == len(os.sched_getaffinity(0))
    assert available_gib(tmp_path) > 0


def test_a_limit_bounds_the_memory_and_file_caches_do_not_count(tmp_path: Path) -> None:
    of_version_2 = {
        "job__memory_dot_max": str(2**30),
        "job__memory_dot_current": str(3 * 2**28),
        "job__memory_dot_stat": f"anon 5\ninactive_file {2**28}",
        "job__step__memory_dot_max": "max",
    }
    assert available_gib(make_groups(tmp_path / "2", "0::/job/step", **of_version_2)) == 0.5
    of_version_1 = {
        "memory__memory_dot_limit_in_bytes": str(2**30),
        "memory__memory_dot_usage_in_bytes": str(2**30),
        "memory__memory_dot_stat": f"total_inactive_file {2**28}",
    }
    assert available_gib(make_groups(tmp_path / "1", "4:memory:/gone", **of_version_1)) == 0.25


@pytest.mark.parametrize(
    ("available", "gib"), [(0.5, 1), (3.0, 1), (6.5, 1), (8.0, 2), (13.0, 3), (200.0, 4)]
)
def test_the_cache_takes_a_quarter_of_the_free_memory(available: float, gib: int) -> None:
    assert kv_cache_gib(None, available) == gib


def test_more_cache_than_free_memory_is_refused_at_once() -> None:
    assert kv_cache_gib(6, 6.5) == 6
    with pytest.raises(TooLittleMemory, match="expected at most 6"):
        kv_cache_gib(7, 6.5)
