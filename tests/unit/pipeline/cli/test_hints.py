"""How to call this berry, and which versions it is made of."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.cli.app import berry
from pipeline.cli.hints import berry_command
from pipeline.datasets.versions import version


def test_a_berry_that_the_shell_would_not_find_is_called_by_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "my bin"
    folder.mkdir()
    program = folder / "berry"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(program)])
    assert berry_command() == f"'{program}'"
    monkeypatch.setenv("PATH", str(folder))
    assert berry_command() == "berry"
    monkeypatch.setattr(sys, "argv", ["/somewhere/pipeline/cli.py"])
    assert berry_command().endswith("-m pipeline.cli")


def test_versions_are_told_without_importing_anything() -> None:
    imported = set(sys.modules)
    done = CliRunner().invoke(berry, ["--version"])
    assert done.exit_code == 0
    lines = dict(line.split(maxsplit=1) for line in done.output.splitlines())
    assert lines["ray"] == version("ray")
    assert lines["torch"] == version("torch")
    assert lines["berry"] == version("berry-pipeline")
    assert {"python"} | {name for name in lines if name.startswith("vllm")} <= lines.keys()
    assert not {"ray", "torch", "vllm"} & (set(sys.modules) - imported)
