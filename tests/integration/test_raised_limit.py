"""A complete run goes on when its limit is raised, and gives what a run with this limit gives."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.conftest import ROOT, Berry

pytestmark = pytest.mark.ray
SIMULATED = ROOT / "configs" / "simulated.yaml"


def rows(out: Path) -> dict[str, Any]:
    trees = [pq.read_table(path) for path in sorted((out / "data" / "trees").glob("*.parquet"))]
    return {row["problem_id"]: row for table in trees for row in table.to_pylist()}


def test_a_raised_limit_adds_problems_and_a_lower_one_is_refused(joined: Berry, tmp_path: Path) -> None:
    for limit in (6, 20):
        done = joined(SIMULATED, f"problems.limit={limit}", "output=out")
        assert done.returncode == 0, done.stderr
        assert f"problems   {limit}," in done.stdout
    done = joined(SIMULATED, "problems.limit=16", "output=out")
    assert done.returncode == 2
    assert "problems.limit to be at least 20" in done.stderr.splitlines()[-1]
    assert joined(SIMULATED, "problems.limit=20", "output=whole").returncode == 0
    assert list(rows(tmp_path / "out").items()) == list(rows(tmp_path / "whole").items())
    assert json.loads((tmp_path / "out" / "run.json").read_text())["limit"] == 20
