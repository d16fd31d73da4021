"""What a run says to try next works as it stands, from where berry was called."""

import shlex
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.pages import run

pytestmark = pytest.mark.ray
CONFIG = ROOT / "configs" / "simulated.yaml"


def hints(said: str) -> list[str]:
    """The commands below `next:`."""
    return [line.strip() for line in said.partition("next:\n")[2].splitlines()]


def test_every_hint_is_a_command_that_works(tmp_path: Path) -> None:
    # A path that has to be quoted; the next test has a plain one.
    out = "my öut/it's $5"
    (tmp_path / "my config.yaml").write_text(CONFIG.read_text())
    done = run(f"berry run 'my config.yaml' problems.size=6 {shlex.quote(f'output={out}')}", tmp_path)
    assert done.returncode == 0, done.stderr
    commands = hints(done.stdout)
    assert [command.split()[:2] for command in commands] == [
        ["berry", "show"],
        ["berry", "ui"],
        ["python", "-c"],
        ["berry", "eval"],
    ]
    for command in commands:
        if command.startswith("berry ui"):
            # It serves until it is ended.
            command = f"exec 3< <({command} --port 0); read -ru 3 said; kill $!; echo $said"
        tried = run(command, tmp_path)
        assert "berry ui" not in command or "http://127.0.0.1:" in tried.stdout
        assert tried.returncode == 0, f"{command}\n{tried.stderr}"


def test_without_a_survivor_the_hint_shows_what_was_dropped(tmp_path: Path) -> None:
    done = run(f"berry run {CONFIG} problems.size=3 engine.error_rate=1 output=out", tmp_path)
    assert done.returncode == 0, done.stderr
    (command,) = hints(done.stdout)
    assert run(command, tmp_path).returncode == 0
