"""What `berry status` says of workers and leases, from the event log alone."""

import json
from pathlib import Path

import pytest

from pipeline.datasets.folder import RunFolder
from pipeline.inspection.cluster_state import ClusterState, cluster_lines
from tests.conftest import Berry
from tests.runs import RUN_JSON
from tests.stores import running_store
from tests.unit.pipeline.datasets.test_folder import RUN

DAY = "2026-01-01T00:00:"


def event(second: int, kind: str, **facts: object) -> dict[str, object]:
    return {"time": f"{DAY}{second:02d}+00:00", "event": kind, **facts}


STARTED = [
    event(0, "run_started", workers=3),
    event(1, "worker_ready", worker=0),
    event(2, "worker_ready", worker=1),
    event(3, "lease", shard=0, worker=0, token="a-1"),
    event(4, "lease", shard=1, worker=1, token="a-2"),
    event(5, "lease", shard=2, worker=1, token="a-3"),
]
LOST = [
    event(6, "commit", shard=0, token="a-1", problems=4),
    event(7, "worker_lost", worker=1, reason="did not answer for 60 seconds"),
    event(8, "worker_given_up", worker=2, reason="no room"),
    event(9, "weights", version="0001", changed=["worker 0"], refused=[]),
    event(9, "pool_actor_restarted", silent_seconds=60.0),
]


def test_a_lost_worker_has_no_leases_any_more() -> None:
    before, after = ClusterState.of(STARTED), ClusterState.of([*STARTED, *LOST])
    assert before.workers[1].shards == 2
    assert sorted(before.leases) == [0, 1, 2]
    assert not after.leases
    assert [(one.number, one.state) for one in after.workers.values()] == [
        (0, "ready"),
        (1, "lost"),
        (2, "given_up"),
    ]
    assert (after.restarts, after.pool_restarts, after.weights) == (1, 1, "0001")
    assert after.last_commit == f"{DAY}06+00:00"


def test_a_replaced_worker_keeps_its_restarts() -> None:
    again = event(20, "worker_ready", worker=1)
    worker = ClusterState.of([*STARTED, *LOST, again]).workers[1]
    assert (worker.state, worker.restarts, worker.reason) == ("ready", 1, None)


def test_the_oldest_lease_is_that_of_the_newest_holder() -> None:
    again = event(30, "lease", shard=0, worker=1, token="a-4")
    oldest = ClusterState.of([*STARTED, again]).oldest_lease
    assert oldest is not None
    assert oldest.shard == 1


def test_a_new_process_forgets_the_workers_of_the_last_and_keeps_weights() -> None:
    state = ClusterState.of([*STARTED, *LOST, event(40, "run_started", workers=1)])
    assert not state.workers
    assert not state.leases
    assert state.weights == "0001"
    assert state.last_commit is not None


def test_many_workers_have_few_lines_and_the_lost_ones_come_first() -> None:
    events = [event(1, "worker_ready", worker=number) for number in range(50)]
    lines = cluster_lines(
        ClusterState.of([*events, event(2, "worker_lost", worker=49, reason="died")]), is_running=True
    )
    assert lines[0].startswith("workers    49 ready, 1 lost, 0 given up; 1 restarts")
    assert lines[1].startswith("worker 49  lost for ")
    assert lines[1].endswith("1 restarts; the last one died")
    assert len(lines) == 18
    assert lines[-1].strip() == "and 34 more, which --json lists"


@pytest.mark.parametrize("where", ["local", "store"])
def test_status_reads_a_run_that_is_writing(where: str, here: Berry, tmp_path: Path) -> None:
    with running_store() as store:
        if where == "store":
            from s3fs import S3FileSystem

            S3FileSystem(endpoint_url=store.url).mkdir("bucket")
        from pipeline.files.storage import place

        path = place(tmp_path / "out" if where == "local" else "s3://bucket/out")
        folder = RunFolder.claim(path, {**RUN, "config": RUN_JSON["config"]})
        folder.append_events(STARTED)
        folder.append_events(LOST)
        if where == "local":
            with (tmp_path / "out" / "events.jsonl").open("a") as file:
                file.write('{"time": "2026-01-01T00')
        said = here("status", path)
        facts = json.loads(here("status", path, "--json").stdout)
        folder.close()
        stopped = here("status", path)
    assert said.returncode == 0, said.stderr
    assert "workers    1 ready, 1 lost, 1 given up; 1 restarts, 1 of verifiers" in said.stdout
    assert "weights    version 0001" in said.stdout
    assert "\nworker 1   lost for" in said.stdout
    assert facts["state"] == "running"
    assert [one["state"] for one in facts["cluster"]["workers"]] == ["ready", "lost", "given_up"]
    assert "\nworker" not in stopped.stdout
    assert "commit     the last one" in stopped.stdout


def test_entries_of_another_form_say_nothing() -> None:
    odd: list[dict[str, object]] = [
        {"event": "lease"},
        {"event": "lease", "shard": "x", "worker": []},
        {"event": "commit", "shard": None},
        {"event": "weights", "changed": True},
        {"event": "worker_lost"},
        {"event": {}, "time": 5},
        {"event": "worker_ready", "worker": 1e400},
    ]
    expected = ClusterState.of([*STARTED, *LOST])
    found = ClusterState.of([*odd, *STARTED, *odd, *LOST, *odd])
    assert found.to_json() == expected.to_json()
    lost: dict[str, object] = {"event": "worker_lost", "worker": 1, "time": [5], "reason": {"a": 1}}
    text = cluster_lines(ClusterState.of([*STARTED, lost]), is_running=True)
    assert any(line.startswith("worker 1   lost for an unknown time") for line in text)
