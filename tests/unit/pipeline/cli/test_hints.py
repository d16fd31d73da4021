"""How to call this berry, and which versions it is made of."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.cli.app import berry
from pipeline.cli.hints import berry_command, report_line
from pipeline.cli.terminal import hang
from pipeline.datasets.folder import RunFolder
from pipeline.datasets.versions import version
from tests.runs import make_trace, write_run


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


def test_a_terminal_gets_long_lines_of_a_summary_under_their_label() -> None:
    command = "resume     berry run configs/simulated.yaml seed=1"
    text = f"problems   2\nflawed     5.4% of 1634 survivors are expected\n{command}"
    assert hang(text, 40).split("\n") == [
        "problems   2",
        "flawed     5.4% of 1634 survivors are",
        "           expected",
        command,
    ]


def test_the_line_about_the_report_says_whether_to_train(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [make_trace("one", "3", [("3", True), ("4", False)])])
    folder = RunFolder.read(run)
    assert report_line(folder) == ""
    (run / "report.html").write_text("")
    said = "(opens in a browser): look at 2 warnings before you train on this\n"
    assert report_line(folder) == f"report     {run}/report.html {said}"
    done = CliRunner().invoke(berry, ["report", str(run)])
    assert done.output.endswith("): look at 2 warnings before you train on this\n")
