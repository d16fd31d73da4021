"""`cluster.verifier_actors=auto` on a real Ray: more verifiers judge what waits."""

import json
import os
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.conftest import ROOT, Berry

pytestmark = pytest.mark.ray
MODULE = """
import os
import time

from pydantic import BaseModel

from verifiers import Outcome, Verdict


class Slow:
    class Config(BaseModel, extra="forbid"):
        pass

    name, version = "slow", "1"

    def __init__(self, config):
        pass

    def verify(self, prompt, response, target):
        time.sleep(0.05)
        return Verdict(
            outcome=Outcome.PASS, reason=f"in {os.getpid()}", verifier="slow", version="1"
        )
"""


def test_another_verifier_takes_a_share_of_what_waits(joined: Berry, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MODULE)
    done = joined(
        ROOT / "configs" / "simulated.yaml",
        "output=out",
        "problems.size=64",
        "verifier.use=mine:Slow",
        "cluster.verifier_actors=auto",
    )
    assert done.returncode == 0, done.stderr
    events = map(json.loads, (tmp_path / "out" / "events.jsonl").read_text().splitlines())
    added = [event for event in events if event["event"] == "verifier_added"]
    assert added
    assert added[0]["verifiers"] == 2
    assert added[0]["unjudged"] > 256
    rows = pq.read_table(tmp_path / "out" / "data" / "trees", columns=["trajectories"]).to_pylist()
    judges = {one["reason"] for row in rows for one in row["trajectories"] if one["outcome"]}
    assert 2 <= len(judges) <= 1 + len(added)
    assert all(re.fullmatch(r"in \d+", one) for one in judges)
    assert f"in {os.getpid()}" not in judges
