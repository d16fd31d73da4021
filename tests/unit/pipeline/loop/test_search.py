"""The search of a round, without a run of its own: how runs are read, and which problems get less."""

from pathlib import Path

import pytest

from pipeline.errors import RunFailure
from pipeline.loop.config import DifficultyConfig
from pipeline.loop.difficulty import taught_out
from pipeline.loop.problems import key_of
from pipeline.loop.stages.search import require_complete
from tests.runs import make_trace, write_run


def test_a_run_that_broke_off_is_not_done(tmp_path: Path) -> None:
    with pytest.raises(RunFailure, match="the run broke off; repeat the command"):
        require_complete(tmp_path / "missing", tmp_path / "x.log")
    trace = make_trace("What is 1 + 1?", "2", [("2", True), ("3", False)])
    run = write_run(tmp_path / "run", [trace])
    assert require_complete(run, tmp_path / "x.log").counts.problems == 1
    (run / "journal" / "complete.json").unlink()
    with pytest.raises(RunFailure, match=r"run: the run broke off; .*x.log"):
        require_complete(run, tmp_path / "x.log")


def test_problems_get_less_by_their_pass_rate_if_it_is_known(tmp_path: Path) -> None:
    traces = [
        make_trace("always?", "1", [(f"{n} is right", True) for n in range(12)]),
        make_trace("sometimes?", "1", [("1", True), ("2", False)] * 6),
        make_trace("never?", "1", [(f"{n} is wrong", False) for n in range(12)]),
        make_trace("unknown?", "1", []),
    ]
    run = write_run(tmp_path / "run", traces)
    found = taught_out([run], DifficultyConfig())
    assert found == sorted(map(key_of, ["always?", "never?"]))
