"""`berry status` and `berry show` at any moment of a run's life."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipeline.cli.app import berry
from pipeline.datasets.counts import Counts
from pipeline.datasets.folder import RunFolder
from pipeline.datasets.metrics import Metrics
from pipeline.inspection.run_state import run_state
from tests.unit.pipeline.datasets.test_folder import RUN, commit


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out"


def call(*arguments: object) -> Result:
    return CliRunner().invoke(berry, [str(argument) for argument in arguments])


def test_a_run_that_is_starting(path: Path) -> None:
    folder = RunFolder.claim(path, RUN)
    for command in ("status", "show"):
        done = call(command, path)
        assert done.exit_code == 0, done.exception
        assert f"run        {path} (unfinished)" in done.output
        assert "state      starting: the engine is not ready yet; no part committed yet" in done.output
        assert "problems" not in done.output
    folder.close()


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ({}, "now        0 problems explored; 0 rollouts; - tokens/s, 0 restarts (time unknown)"),
        ({"problems": 3, "total": 9}, "now        3 of 9 problems explored; 0 rollouts since"),
        (
            {
                "time": "2026-01-01T00:00:00",
                "tokens_per_second": 12.6,
                "total": 64,
                "new_problems": 0,
                "new_rollouts": 7,
                "new_live_tokens": 900,
                "new_tokens": 500,
                "restarts": 1,
            },
            "now        0 of 64 problems explored; 7 rollouts, 900 tokens; 13 tokens/s, 1 restarts "
            "(2026-01-01T00:00:00)",
        ),
        (
            {"problems": None, "total": "x", "time": 3, "rollouts": [1]},
            "now        0 problems explored",
        ),
    ],
)
def test_a_run_that_has_committed_nothing_yet(path: Path, line: dict[str, object], shown: str) -> None:
    folder = RunFolder.claim(path, RUN)
    folder.append_metrics(line)
    done = call("status", path)
    assert done.exit_code == 0, done.exception
    assert "state      running; no part committed yet" in done.output
    assert shown in done.output
    folder.close()


@pytest.mark.parametrize(
    "content", [b"", b"\n", b'{"problems": ', b"[1]\n", b"\xff\n", b'{"problems": 3}\n{"prob', b"{}"]
)
def test_metrics_that_are_only_half_there(path: Path, content: bytes) -> None:
    RunFolder.claim(path, RUN).close()
    (path / "metrics.jsonl").write_bytes(content)
    done = call("status", path)
    assert done.exit_code == 0, done.exception
    assert ("3 problems explored" in done.output) == (content.count(b"3") == 1)


def test_a_line_longer_than_the_tail_and_many_lines(path: Path) -> None:
    path.mkdir()
    file = path / "metrics.jsonl"
    file.write_text("".join(json.dumps({"problems": n}) + "\n" for n in range(20_000)))
    last = Metrics.last(path)
    assert last is not None
    assert last.counts.problems == 19_999
    file.write_text("x" * 200_000)
    assert Metrics.last(path) is None


def test_a_run_whose_process_is_gone(path: Path) -> None:
    folder = RunFolder.claim(path, RUN)
    commit(folder, 0, "a", "b")
    folder.append_metrics({"problems": 3, "total": 9, "new_problems": 3})
    assert run_state(folder)[0] == "state      running; 1 part committed"
    folder.close()
    state, last = run_state(folder)
    assert state == (
        "state      not running; repeat the `berry run` command to resume; 1 part committed"
    )
    assert last.startswith("last       3 of 9 problems explored")
    shutil.rmtree(path / "data" / "steps")
    (path / ".lock").unlink()
    assert "not running" in call("status", path).output


def test_looking_at_a_run_does_not_keep_it_from_going_on(path: Path) -> None:
    RunFolder.claim(path, RUN).close()
    assert "not running" in run_state(RunFolder.read(path))[0]
    RunFolder.claim(path, RUN).close()


def test_the_facts_of_an_earlier_version(path: Path) -> None:
    folder = RunFolder.claim(path, RUN)
    commit(folder, 0, "a")
    folder.finish({})
    folder.close()
    done = call("status", path)
    assert done.exit_code == 0, done.exception
    assert "(complete)" in done.output
    assert "speed      - tokens/s over - s" in done.output


def test_an_id_of_a_problem_that_is_not_committed_yet(path: Path) -> None:
    folder = RunFolder.claim(path, RUN)
    done = call("show", path, "abc")
    assert "of a committed problem, got abc (so far 0 are" in str(done.exception)
    folder.close()


def test_counts_are_what_is_no_figure_of_its_own() -> None:
    metrics = Metrics.of({"problems": 2, "verdict.pass": 1, "seconds": 1.5, "extra": True})
    assert (metrics.seconds, metrics.counts) == (
        1.5,
        Counts(problems=2, verdicts=Counter({"pass": 1})),
    )


@pytest.mark.parametrize("limit", ["0", "-1", "x", "1.5", ""])
def test_a_number_of_problems_is_a_whole_number(path: Path, limit: str) -> None:
    done = call("show", path, "--limit", limit)
    assert done.exit_code == 2
    assert f"expected a whole number of 1 or more, got {limit!r}" in done.output
