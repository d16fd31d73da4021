"""Requests that the sandbox refuses."""

from collections.abc import Callable

import pytest

from sandbox import Level, Limits, Program, SandboxConfig


@pytest.mark.parametrize("name", ["cpu_seconds", "wall_seconds", "memory_mb", "output_bytes"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_a_limit_of_nothing_is_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name}: expected more than 0, got"):
        Limits(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["threads", "files", "file_bytes", "processes"])
def test_a_negative_number_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: expected 0 or more, got -1"):
        Limits(**{name: -1})


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc/passwd", "a\0b"])
def test_a_file_name_that_is_a_path_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="plain file names"):
        Program(code="", files={name: b""})


@pytest.mark.parametrize(
    "build",
    [
        lambda: Program(code="", files={"x" * 256: b""}),
        lambda: Program(code="", files={"\ud800": b""}),
        lambda: Limits(cpu_seconds=float("inf")),
        lambda: Limits(memory_mb=2**50),
        lambda: Limits(file_bytes=2**70),
    ],
    ids=["long name", "surrogate", "endless", "memory", "bytes"],
)
def test_limits_beyond_the_kernels_are_refused_immediately(build: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        build()


def test_code_and_command_together_are_refused() -> None:
    with pytest.raises(ValueError, match="either `code` or `command`"):
        Program(code="", command=("true",))


@pytest.mark.parametrize(("value", "level"), [("landlock", Level.LANDLOCK), (3, Level.NAMESPACES)])
def test_levels_are_written_by_name(value: object, level: Level) -> None:
    config = SandboxConfig.model_validate({"minimum_level": value})
    assert config.minimum_level is level
    assert config.model_dump()["minimum_level"] == level.name.lower()
    with pytest.raises(ValueError, match="expected one of weak, landlock, namespaces, got 'strong'"):
        SandboxConfig.model_validate({"minimum_level": "strong"})
