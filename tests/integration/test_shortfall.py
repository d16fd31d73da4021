"""A run that knows nothing in the end is no success, and says why."""

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT, Berry

SIMULATED = ROOT / "configs" / "simulated.yaml"
MODULE = """
from pydantic import BaseModel


class Boom:
    class Config(BaseModel, extra="forbid"):
        every: int = 1

    name, version = "boom", "1"

    def __init__(self, config):
        self.config, self.asked = config, 0

    def verify(self, prompt, response, target):
        from verifiers import Outcome, Verdict

        self.asked += 1
        if self.asked % self.config.every == 0:
            raise KeyError("gone")
        return Verdict(outcome=Outcome.PASS, reason="fine", verifier="boom", version="1")


class NoScores:
    class Config(BaseModel, extra="forbid"):
        pass

    def __init__(self, config):
        pass

    async def score(self, batch):
        raise OSError("no such device")
"""


@pytest.fixture(autouse=True)
def _module(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MODULE)


@pytest.mark.ray
@pytest.mark.parametrize("verifier_actors", [0, 1])
def test_verdicts_that_are_all_errors(
    joined: Berry, here: Berry, tmp_path: Path, verifier_actors: int
) -> None:
    done = joined(
        SIMULATED,
        "output=out",
        "problems.size=8",
        "verifier.use=mine:Boom",
        f"cluster.verifier_actors={verifier_actors}",
    )
    assert done.returncode == 1
    assert re.search(r"^ +errors 160: 160 x .*KeyError: 'gone'", done.stdout, re.M)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("berry: all 160 verdicts are errors:")
    assert "KeyError: 'gone'" in last
    logs = "".join(path.read_text() for path in (tmp_path / "out" / "logs").iterdir())
    assert 'mine.py", line' in logs, "the traceback belongs into the logs"
    shown = here("show", "out")
    assert "160 x" in shown.stdout


@pytest.mark.ray
def test_verdicts_that_are_errors_in_part_are_a_success_that_says_so(joined: Berry) -> None:
    done = joined(SIMULATED, "output=out", "problems.size=8", "verifier={use: mine:Boom, every: 4}")
    assert done.returncode == 0
    assert re.search(r"^ +errors 40: 40 x .*KeyError: 'gone'", done.stdout, re.M)


@pytest.mark.ray
def test_steps_none_of_which_is_scored(joined: Berry) -> None:
    models = "reward_models=[{use: mine:NoScores}]"
    done = joined(SIMULATED, "output=out", "problems.size=8", models)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert re.match(r"berry: none of \d+ steps was scored: 8 x reward model .*no such device", last)
    assert "no such device" in done.stdout
