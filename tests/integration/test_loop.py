"""`berry loop` with real runs on a real Ray: killed, resumed, shown, and a stage of a user's own.

The engine is simulated; `tests/real_engines/test_loop.py` has a model that is trained.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.datasets.folder import RunFolder
from pipeline.datasets.reader import RunReader
from pipeline.loop.problems import key_of
from tests.conftest import ROOT, Berry
from tests.integration.ray_head import joining_environment
from tests.patience import wait_until

pytestmark = pytest.mark.ray
_OWN = """
from pydantic import BaseModel
from pipeline.loop.work import Done

class Count:
    class Config(BaseModel, extra="forbid"):
        at_least: int = 1

    def __init__(self, config):
        self.config = config

    def run(self, work):
        found = work.record.stage("search").figures["survivors"]
        return Done(figures={"enough": found >= self.config.at_least})
"""


def _config(folder: Path, cluster: str, **more: Any) -> Path:
    (folder / "mine.py").write_text(_OWN)
    path = folder / "loop.yaml"
    config = {
        "output": str(folder / "out"),
        "rounds": 1,
        "run": {
            "problems": {"use": "reasoning_gym", "task": "chain_sum", "size": 60},
            "engine": {"use": "simulated", "token_seconds": 0.003},
            "strategy": {"use": "best_of_n", "rollouts": 4},
            "verifier": {"use": "exact"},
            "dataset": {"problems_per_part": 4},
            "cluster": {"address": cluster, "verifier_actors": 0, "problems_in_flight": 4},
        },
        "evaluation": {"held_out": 0.2, "limit": 10, "rollouts": 2},
        "stages": [
            {"use": "search"},
            {"use": "mine:Count", "at_least": 3},
            {"use": "evaluate"},
            {"use": "gate"},
        ],
        **more,
    }
    path.write_text(yaml.safe_dump(config))
    return path


def _start(folder: Path, path: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [str(Path(sys.executable).parent / "berry"), "loop", str(path)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**joining_environment(), "PYTHONPATH": str(ROOT)},
    )


def _parts(out: Path) -> list[str]:
    return sorted(one.name for one in (out / "round-1" / "journal").glob("part-*.json"))


def test_a_loop_that_is_killed_and_interrupted_goes_on(
    tmp_path: Path, cluster: str, here: Berry
) -> None:
    path, out = _config(tmp_path, cluster), tmp_path / "out"

    first = _start(tmp_path, path)
    wait_until(lambda: _parts(out), first)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()

    # The run that it has left ends by itself, and the next loop waits for it.
    before = set(_parts(out))
    second = _start(tmp_path, path)
    wait_until(lambda: len(_parts(out)) > len(before), second)
    second.send_signal(signal.SIGINT)
    said, _ = second.communicate()
    assert second.returncode == 130, said
    assert f"resume with the same command: berry loop {path}" in said.replace("\n", " ")
    record = json.loads((out / "rounds" / "round-1.json").read_text()) if _has(out) else None
    assert record is None or not record["is_complete"]

    third = _start(tmp_path, path)
    said, _ = third.communicate()
    assert third.returncode == 0, said
    assert "Traceback" not in said

    shown = here("show", out)
    assert shown.returncode == 0
    assert "1 of 1 rounds (complete)" in shown.stdout
    rounds = json.loads(here("show", out, "--json").stdout)["rounds"]
    stages = {one["name"]: one["figures"] for one in rounds[1]["stages"]}
    assert list(stages) == ["search", "Count", "evaluate", "gate"]
    assert stages["Count"] == {"enough": True}
    assert rounds[1]["why"] == "the round has made no other model"

    # Each problem exactly once, and none of the evaluation's.
    ids = [row["problem_id"] for row in RunReader.open(out / "round-1").rows("trees", ["problem_id"])]
    assert len(ids) == len(set(ids)) == stages["search"]["problems"]
    searched = {
        key_of(row["problem"]) for row in RunReader.open(out / "round-1").rows("trees", ["problem"])
    }
    measured = {
        key_of(row["problem"])
        for row in RunReader.open(out / "evaluate" / "round-0").rows("trees", ["problem"])
    }
    assert measured
    assert not searched & measured


def _has(out: Path) -> bool:
    return (out / "rounds" / "round-1.json").exists()


def test_with_split_gpus_the_next_search_goes_on_beside_the_other_stages(
    tmp_path: Path, cluster: str
) -> None:
    waits = "tests.unit.pipeline.loop.stages_for_tests:AwaitNextSearch"
    path = _config(
        tmp_path, cluster, rounds=2, gpus="split", stages=[{"use": "search"}, {"use": waits}]
    )
    loop = _start(tmp_path, path)
    said, _ = loop.communicate()
    assert loop.returncode == 0, said
    rounds = [RunFolder.read(tmp_path / "out" / f"round-{number}") for number in (1, 2)]
    assert all(one.complete is not None for one in rounds)


def test_problems_that_are_trained_on_are_refused(tmp_path: Path, cluster: str, here: Berry) -> None:
    given = {"use": "reasoning_gym", "task": "chain_sum", "size": 5, "seed": 0}
    path = _config(tmp_path, cluster, evaluation={"problems": given})
    done = here("loop", path)
    assert done.returncode == 2
    assert "evaluation.problems: expected problems that no round trains on" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out" / "round-1").exists()


def test_a_stage_that_trains_needs_a_model(tmp_path: Path, cluster: str, here: Berry) -> None:
    path = _config(tmp_path, cluster, stages=[{"use": "search"}, {"use": "policy"}])
    done = here("loop", path)
    assert done.returncode == 2
    assert "round 0, policy: run.engine: expected an engine that loads a model" in done.stderr
