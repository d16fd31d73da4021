"""The live table of `berry run`, and `berry status --watch`, which draws the same from the folder."""

import io
import json
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from pipeline.cli.app import berry
from pipeline.cli.terminal import PatientConsole, TerminalProgress
from pipeline.datasets.counts import Counts
from pipeline.datasets.folder import RunFolder
from pipeline.datasets.metrics import Metrics, Queues, WorkerFigures
from pipeline.engines.metered import Usage
from pipeline.inspection.live_table import figures, one_line, table
from pipeline.inspection.run_state import run_state
from pipeline.inspection.watching import look
from pipeline.progress import RecentRate, Snapshot
from tests.unit.pipeline.datasets.test_folder import RUN, commit

QUEUES = Queues(
    problems_waiting=12,
    problems_running=8,
    sequences_waiting=4,
    sequences_running=31,
    responses_unjudged=5,
    shards_open=3,
    shards_writing=1,
    shards_committing=0,
)
WORKERS = tuple(
    WorkerFigures(
        worker=number,
        tokens=1000 * number,
        prompt_tokens=50,
        prompt_tokens_cached=None if number else 40,
        sequences_running=number,
        sequences_waiting=0,
        kv_used=0.125,
        problems_running=4,
    )
    for number in range(3)
)


def state() -> Snapshot:
    verdicts = Counter({"pass": 30, "fail": 58, "error": 2})
    return Snapshot(
        counts=Counts(problems=34, rollouts=340, right=30, not_right=60, kept=21, verdicts=verdicts),
        total=64,
        seconds=20.0,
        usage=Usage(num_tokens=15000, num_rollouts=350, num_prompt_tokens=1000, num_cached_tokens=880),
        counts_before=Counts(rollouts=12, tokens=843),
        eta_seconds=12.0,
        new_problems=34,
        recent_tokens_per_second=812.3,
        num_parts=4,
        queues=QUEUES,
        workers=WORKERS,
    )


def drawn(snapshot: Snapshot, width: int = 80) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width).print(table(snapshot, "runs/out  running"))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_the_table_shows_every_stage_within_80_columns() -> None:
    lines = drawn(state())
    assert lines == [
        "runs/out  running",
        "          waiting  running   done",
        "problems       12        8  34/64  0 failed",
        "rollouts        4       31    362  812 tokens/s, 88% from cache",
        "verdicts        5              90  33.3% right, 2 errors",
        "parts                    3      4  1 being written, 0 being committed",
        "kept 21 traces; 15,843 tokens; 0 restarts; 20s so far, 12s left",
    ]


def test_large_numbers_fit_too() -> None:
    snapshot = state()
    snapshot.counts = Counts(problems=1_234_567, rollouts=98_765_432, kept=12_345_678, restarts=1234)
    snapshot.total, snapshot.recent_tokens_per_second = 1_500_000, 1_234_567.0
    assert max(map(len, drawn(snapshot, width=200))) <= 80


def test_what_is_unknown_is_a_dash() -> None:
    lines = drawn(Snapshot())
    assert lines[2].split() == ["problems", "-", "-", "0", "0", "failed"]
    assert "- tokens/s, - from cache" in lines[3]
    assert {"running", "waiting"}.isdisjoint(figures(Snapshot()))


def test_a_line_of_metrics_gives_the_same_picture() -> None:
    line = json.loads(json.dumps({"time": "2026-01-01T00:00:00", **state().line(0)}))
    again = Snapshot.of(Metrics.of(line))
    assert drawn(again) == drawn(state())
    assert one_line(again) == one_line(state())
    assert again.workers == WORKERS


@pytest.mark.parametrize(
    "workers", [None, [], {}, {"worker": [0]}, {"worker": ["x"]}, "x", {**{"worker": [0]}, "tokens": 3}]
)
def test_damaged_figures_of_workers_are_none(workers: object) -> None:
    found = Metrics.of({"workers": workers, "queues": workers, "problems": 2})
    assert (found.workers, found.queues, found.counts.problems) == ((), Queues(), 2)


def test_columns_of_different_lengths_are_no_workers() -> None:
    line = state().line(0)
    line["workers"]["tokens"].pop()
    assert Metrics.of(line).workers == ()


def test_with_many_workers_only_some_lines_have_their_figures() -> None:
    snapshot = state()
    snapshot.workers = WORKERS * 100
    having = ["workers" in snapshot.line(number) for number in range(6)]
    assert having == [True, False, False, True, False, False]
    snapshot.workers = WORKERS * 34
    assert len(json.dumps(snapshot.line(1))) < 6000


def test_rollouts_from_checkpoints_count_although_this_process_sampled_none() -> None:
    assert Snapshot(counts=Counts(rollouts=20, tokens=300)).num_rollouts == 20
    assert Snapshot(counts=Counts(rollouts=20, tokens=300)).num_tokens == 300


def test_the_recent_rate_forgets_what_is_long_ago() -> None:
    rate = RecentRate()
    assert rate.update(0.0, 0) is None
    assert rate.update(1.0, 100) == 100
    for second in range(2, 30):
        last = rate.update(float(second), 100)
    assert last == 0
    # A worker that was lost may take tokens with it that were only estimated.
    assert rate.update(30.0, 90) == 0


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[RunFolder]:
    started_by = {"command": "berry run c.yaml seed=1", "folder": "/home/x y"}
    folder = RunFolder.claim(tmp_path / "out", {**RUN, "started_by": started_by})
    yield folder
    folder.close()


def report(folder: RunFolder, seconds_ago: float = 1.0) -> None:
    time = (datetime.now(UTC) - timedelta(seconds=seconds_ago)).isoformat(timespec="seconds")
    folder.append_metrics({"time": time, **state().line(0)})


def call(*arguments: object) -> Result:
    return CliRunner().invoke(berry, [str(argument) for argument in arguments])


def test_a_look_before_the_first_report(folder: RunFolder) -> None:
    seen = look(folder)
    assert seen.header.endswith("out  starting: the engine is not ready yet")
    assert (seen.snapshot, seen.is_complete) == (None, False)


def test_a_look_before_the_first_report_but_after_the_first_part(folder: RunFolder) -> None:
    commit(folder, 0, "a", "b")
    seen = look(folder)
    assert seen.header.endswith("out  running; no report yet")
    assert seen.snapshot is not None
    assert drawn(seen.snapshot)[-1].endswith("0 restarts")


def test_a_look_while_it_runs(folder: RunFolder) -> None:
    report(folder)
    seen = look(folder)
    assert "out  running; last report " in seen.header
    assert seen.snapshot is not None
    assert drawn(seen.snapshot) == drawn(state())


def test_an_old_report_says_nothing_of_what_waits_now(folder: RunFolder) -> None:
    report(folder, seconds_ago=600)
    seen = look(folder)
    assert "running, but it has not reported for long" in seen.header
    assert "10m" in seen.header
    assert seen.snapshot is not None
    assert (seen.snapshot.queues, seen.snapshot.eta_seconds) == (Queues(), None)


@pytest.mark.parametrize("with_parts", [False, True])
def test_a_run_whose_process_died_has_the_command_to_resume(
    folder: RunFolder, with_parts: bool
) -> None:
    if with_parts:
        commit(folder, 0, "a", "b")
        report(folder)
    folder.close()
    seen = look(RunFolder.read(folder.path))
    number = 2 if with_parts else 0
    resume = "cd '/home/x y' && berry run c.yaml seed=1"
    assert f"not running; {number} problems committed; resume with: {resume}" in seen.header
    assert (seen.snapshot is not None) is with_parts
    if seen.snapshot is not None:
        assert seen.snapshot.queues == Queues()
    assert f"resume     {resume}" in call("status", folder.path).output


def test_an_interrupted_run_shows_what_is_committed_not_an_older_report(folder: RunFolder) -> None:
    report(folder)
    commit(folder, 0, *map(str, range(40)))
    folder.close()
    again = RunFolder.read(folder.path)
    seen = look(again)
    assert "not running; 40 problems committed" in seen.header
    assert seen.snapshot is not None
    assert drawn(seen.snapshot)[2].split()[3] == "40/64"
    assert not any(line.startswith("last ") for line in run_state(again))


@pytest.mark.timeout(30)
def test_watching_waits_for_a_run_that_has_not_begun(tmp_path: Path) -> None:
    def begin() -> None:
        folder = RunFolder.claim(tmp_path / "out", RUN)
        folder.finish({"problems": 0, "total": 0})
        folder.close()

    timer = threading.Timer(0.3, begin)
    timer.start()
    done = call("status", tmp_path / "out", "--watch", "--every", "0.05")
    timer.join()
    assert done.exit_code == 0, done.exception
    lines = done.output.splitlines()
    assert lines[0].endswith("out  waiting for a run: there is no such folder yet")
    assert "out  complete" in lines[-1]


def test_a_run_of_an_earlier_version_says_how_to_resume(tmp_path: Path) -> None:
    RunFolder.claim(tmp_path / "out", RUN).close()
    assert "repeat the `berry run` command" in look(RunFolder.read(tmp_path / "out")).header


def test_watching_ends_when_the_run_is_complete(folder: RunFolder) -> None:
    commit(folder, 0, "a", "b")
    report(folder)
    timer = threading.Timer(0.3, folder.finish, [{"problems": 2, "total": 2}])
    timer.start()
    done = call("status", folder.path, "--watch", "--every", "0.05")
    timer.join()
    lines = done.output.splitlines()
    assert done.exit_code == 0, done.exception
    assert "running; last report" in lines[0]
    assert "problems 34/64, rollouts 362" in lines[0]
    assert lines[-1].startswith(f"{folder.path}  complete; problems 2/2")
    assert len(lines) > 2


def test_watching_as_json_has_an_object_a_line(folder: RunFolder) -> None:
    commit(folder, 0, "a")
    report(folder)
    timer = threading.Timer(0.2, folder.finish, [{"problems": 1}])
    timer.start()
    done = call("status", folder.path, "--watch", "--json", "--every", "0.05")
    timer.join()
    looks = [json.loads(line) for line in done.output.splitlines()]
    assert [one["state"] for one in (looks[0], looks[-1])] == ["running", "complete"]
    assert looks[0]["now"]["queues"]["sequences_running"] == 31
    assert looks[0]["now"]["workers"][2]["tokens"] == 2000
    assert looks[0]["now"]["recent_tokens_per_second"] == 812.3


@pytest.mark.parametrize("seconds", ["0", "-1", "x", "nan", "inf"])
def test_the_interval_is_a_number_over_0(folder: RunFolder, seconds: str) -> None:
    done = call("status", folder.path, "--watch", "--every", seconds)
    assert done.exit_code == 2
    assert f"expected a number over 0, got '{seconds}'" in done.output


def test_watching_needs_a_run_folder(tmp_path: Path) -> None:
    done = call("status", tmp_path, "--watch")
    assert "expected a run folder with run.json" in str(done.exception)


def test_a_closed_pipe_ends_the_display_and_nothing_else() -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    screen = TerminalProgress(PatientConsole(file=Closed()), plain_seconds=0.0)
    screen.update(state())
    assert screen.is_gone
    screen.update(state())
    screen.close()


def test_a_reader_of_json_that_leaves_ends_the_watch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    RunFolder.claim(tmp_path, RUN).close()

    def leave(_: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("pipeline.cli.inspect.print_json", leave)
    done = CliRunner().invoke(berry, ["status", str(tmp_path), "--watch", "--json"])
    assert (done.exit_code, done.exception) == (0, None)
