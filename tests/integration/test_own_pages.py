"""docs/own-source.md, own-reward-model.md and own-engine.md do what they say."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.pages import follow

pytestmark = pytest.mark.ray


def test_a_source_of_ones_own(tmp_path: Path) -> None:
    said = follow("own-source.md", tmp_path)
    assert "problems   12," in said
    assert "What is " in said
    assert "problems.numbr: unknown key; did you mean problems.number?" in said
    rows = pq.read_table(tmp_path / "out" / "data" / "trees").to_pylist()
    assert {row["source"] for row in rows} == {"sums"}


def test_a_reward_model_of_ones_own(tmp_path: Path) -> None:
    said = follow("own-reward-model.md", tmp_path)
    assert "unscored" not in said
    assert "prm" in said
    rows = pq.read_table(tmp_path / "out" / "data" / "trees").to_pylist()
    assert {one for row in rows for one in row["scored_by"]} == {"brief 1"}
    assert all(0 < node["score"] < 1 for row in rows for node in row["nodes"][1:])


def test_an_engine_of_ones_own(tmp_path: Path) -> None:
    said = follow("own-engine.md", tmp_path)
    assert "problems   3," in said
    rows = pq.read_table(tmp_path / "out" / "data" / "trees").to_pylist()
    outcomes = {t["outcome"] for row in rows for t in row["trajectories"]}
    assert outcomes == {"pass", "fail"}
    assert {node["model_version"] for row in rows for node in row["nodes"][1:]} == {"adder-1"}
