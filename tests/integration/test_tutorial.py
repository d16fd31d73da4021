"""docs/own-verifier.md does what it says: its files are written and its commands run, in order."""

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.pages import blocks, follow

pytestmark = pytest.mark.ray
PAGE = "own-verifier.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reader's folder, after the whole page."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "said.txt").write_text(follow(PAGE, folder))
    return folder


def said(folder: Path) -> str:
    """Everything that the commands printed."""
    return (folder / "said.txt").read_text()


def test_the_page_has_files_and_commands() -> None:
    kinds = [block.language for block in blocks(PAGE)]
    assert kinds.count("sh") >= 7
    assert {"python", "json", "yaml"} <= set(kinds)


def test_its_verdicts_are_those_that_the_page_promises(folder: Path) -> None:
    printed = [json.loads(line) for line in said(folder).splitlines() if line.startswith('{"id"')]
    assert {row["id"]: row["outcome"] for row in printed} == {
        "right": "pass",
        "other": "fail",
        "twice": "fail",
        "none": "abstain",
        "code": "fail",
    }
    assert all(row["verifier"] == "countdown/1" for row in printed)


def test_its_own_suite_passes(folder: Path) -> None:
    passed = re.search(r"^(\d+) passed in", said(folder), re.MULTILINE)
    assert passed is not None
    assert int(passed[1]) > 30


def test_a_wrong_option_is_named(folder: Path) -> None:
    assert "countdown:Countdown: use_some: unknown key" in said(folder)


def test_its_runs_judge_by_the_verifier(folder: Path) -> None:
    for out in ("out", "out2"):
        rows = pq.read_table(folder / out / "data" / "trees").to_pylist()
        assert len(rows) == 2
        assert {row["target_kind"] for row in rows} == {"countdown"}
        judged = [t for row in rows for t in row["trajectories"] if t["outcome"] is not None]
        assert judged
        assert {t["verifier"] for t in judged} == {"countdown"}
        assert {t["outcome"] for t in judged} <= {"fail", "abstain"}
