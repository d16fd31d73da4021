"""What goes wrong with one problem is data, through the real command and a real Ray."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.conftest import ROOT, Berry

SIMULATED = ROOT / "configs" / "simulated.yaml"
_STRATEGY = """
import os
from pydantic import BaseModel
from pipeline.search import Expansion

class Sometimes:
    class Config(BaseModel):
        every: int = 4
        how: str = "raise"

    def __init__(self, config):
        self.config = config

    def propose(self, tree, pending):
        if len(tree) > 1 or pending:
            return []
        if tree.seed % self.config.every == 0:
            if self.config.how == "exit":
                raise SystemExit(7)
            if self.config.how == "text":
                raise ValueError("half a character " + chr(0xD800))
            return {}["missing key"]
        return [Expansion(parent=0, num_rollouts=2)]
"""

pytestmark = pytest.mark.ray


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "sometimes.py").write_text(_STRATEGY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def trees(folder: Path) -> list[dict[str, Any]]:
    files = sorted((folder / "out" / "data" / "trees").glob("*.parquet"))
    columns = ["problem_id", "seed", "errors", "failures"]
    rows: list[dict[str, Any]] = []
    for file in files:
        rows += pq.read_table(file, columns=columns).to_pylist()
    return rows


@pytest.mark.parametrize(
    ("how", "name"), [("raise", "KeyError"), ("exit", "SystemExit"), ("text", "ValueError")]
)
def test_a_strategy_that_raises_on_some_problems_fails_those_alone(
    joined: Berry, folder: Path, how: str, name: str
) -> None:
    command = [SIMULATED, "output=out", "problems.size=24", "strategy.use=sometimes:Sometimes"]
    done = joined(*command, f"strategy.how={how}")
    assert done.returncode == 1, done.stderr
    rows = trees(folder)
    failed = [row for row in rows if row["failures"]]
    assert len(rows) == 24
    assert {row["seed"] % 4 == 0 for row in failed} == {True}
    assert len(failed) == sum(row["seed"] % 4 == 0 for row in rows)
    for row in failed:
        (failure,) = row["failures"]
        assert (failure["phase"], failure["type"]) == ("search", name)
        assert "sometimes.py, line" in failure["message"]
    last = done.stderr.splitlines()[-1]
    assert f"{len(failed)} problems failed: " in last
    assert f"search: {name}: " in last
    assert "Traceback" not in done.stderr
    # The log has the rest, with the problem's id in each line.
    log = (folder / "out" / "logs" / "worker-0.log").read_text()
    assert f"process=worker-0 problem={failed[0]['problem_id']}: search: {name}" in log
    assert "Traceback" in log
    # All was done that could be: the same command has nothing left to do.
    again = joined(*command, f"strategy.how={how}")
    assert again.returncode == 1
    assert len(trees(folder)) == 24


@pytest.mark.parametrize(
    ("limit", "finished"), [("0", range(1, 60)), ("2", range(3, 60)), ("0.5", range(20, 60))]
)
def test_a_run_that_fails_everywhere_ends(
    joined: Berry, here: Berry, folder: Path, limit: str, finished: range
) -> None:
    done = joined(
        SIMULATED,
        "output=out",
        "problems.size=200",
        "strategy.use=sometimes:Sometimes",
        "strategy.every=1",
        f"cluster.max_failed_problems={limit}",
        "cluster.problems_in_flight=4",
    )
    assert done.returncode == 1, done.stderr
    last = done.stderr.splitlines()[-1]
    assert f"more than cluster.max_failed_problems={limit} allows" in last
    assert "KeyError" in last
    assert int(last.split(" problems failed")[0].split(" of ")[1]) in finished
    assert "(unfinished)" in here("status", "out").stdout


def test_a_count_of_failures_that_is_not_reached_ends_nothing(joined: Berry, folder: Path) -> None:
    done = joined(
        SIMULATED,
        "output=out",
        "problems.size=8",
        "strategy.use=sometimes:Sometimes",
        "strategy.every=1",
        "cluster.max_failed_problems=8",
    )
    assert done.returncode == 1
    assert "out (complete)" in done.stdout
    assert "8 failed" in done.stdout
