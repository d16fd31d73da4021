"""What a worker and the driver measure; `tests/integration/test_metrics.py` reads it from a Ray."""

from collections.abc import Mapping
from typing import ClassVar

import pytest
import ray

from pipeline.cluster import metrics
from pipeline.cluster.leases import WorkerStatus
from pipeline.cluster.metrics import DriverMetrics, WorkerMetrics
from pipeline.engines import Load
from pipeline.engines.metered import Usage
from pipeline.records import Phase


class Recorded:
    """A metric that keeps its values."""

    everything: ClassVar[dict[str, dict[str, float]]] = {}

    def __init__(self, name: str, text: str, tag_keys: tuple[str, ...] = (), **_: object) -> None:
        self._values = self.everything.setdefault(name, {})
        self._keys = tag_keys

    def _key(self, tags: Mapping[str, str]) -> str:
        assert sorted(tags) == sorted(self._keys)
        return " ".join(tags[key] for key in self._keys)

    def set(self, value: float, tags: Mapping[str, str]) -> None:
        self._values[self._key(tags)] = value

    def inc(self, value: float, tags: Mapping[str, str]) -> None:
        self._values[self._key(tags)] = self._values.get(self._key(tags), 0) + value


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, float]]:
    Recorded.everything.clear()
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    for kind in ("Gauge", "Counter", "Histogram"):
        monkeypatch.setattr(metrics, kind, Recorded)
    return Recorded.everything


def status(tokens: int, cached: int | None = None) -> WorkerStatus:
    usage = Usage(num_tokens=tokens, num_rollouts=1, num_cached_tokens=cached)
    return WorkerStatus(usage=usage, waiting={0: 3, 1: 4}, num_finished=2)


def test_counters_grow_by_what_is_new(recorded: dict[str, dict[str, float]]) -> None:
    worker = WorkerMetrics("worker-3")
    worker.beat(status(10), None, "a")
    worker.beat(status(25), None, "a")
    worker.beat(status(25), None, "a")
    assert recorded["berry_tokens"] == {"worker-3 a": 25}
    assert recorded["berry_problems_finished"] == {"worker-3 a": 2}
    assert recorded["berry_problems_waiting"] == {"worker-3 a": 7}


def test_stages_have_their_calls_and_seconds(recorded: dict[str, dict[str, float]]) -> None:
    worker = WorkerMetrics("worker-3")
    for seconds in (0.5, 0.25):
        worker.took(Phase.SAMPLE, seconds)
    worker.took(Phase.JUDGE, 0.125)
    worker.beat(status(10), None, "a")
    worker.took(Phase.JUDGE, 0.125)
    worker.beat(status(10), None, "a")
    assert recorded["berry_stage_calls"] == {"worker-3 a sample": 2, "worker-3 a judge": 2}
    assert recorded["berry_stage_seconds"] == {"worker-3 a sample": 0.75, "worker-3 a judge": 0.25}


def test_unknown_is_not_measured_as_0(recorded: dict[str, dict[str, float]]) -> None:
    worker = WorkerMetrics("worker-0")
    worker.beat(status(10), Load(num_running=2, num_waiting=1), "a")
    assert recorded["berry_kv_used"] == {}
    assert recorded["berry_prompt_tokens_cached"] == {}
    assert recorded["berry_engine_running"] == {"worker-0 a": 2}


def test_new_weights_do_not_count_twice(recorded: dict[str, dict[str, float]]) -> None:
    worker = WorkerMetrics("worker-0")
    worker.beat(status(10), None, "a")
    worker.beat(status(16), None, "b")
    assert recorded["berry_tokens"] == {"worker-0 a": 10, "worker-0 b": 6}
    assert recorded["berry_problems_waiting"] == {"worker-0 a": 0, "worker-0 b": 7}


def test_the_driver_counts_events(recorded: dict[str, dict[str, float]]) -> None:
    driver = DriverMetrics()
    driver.take({"event": "worker_ready", "worker": 0})
    for shard in (0, 1, 2):
        driver.take({"event": "lease", "shard": shard, "worker": 0})
    driver.take({"event": "commit", "shard": 0, "bytes": 500})
    driver.report()
    assert recorded["berry_shards_leased"] == {"": 3}
    assert recorded["berry_published_bytes"] == {"": 500}
    assert recorded["berry_leases_open"] == {"": 2}
    assert recorded["berry_workers_ready"] == {"": 1}
    driver.take({"event": "worker_lost", "worker": 0, "reason": "died"})
    driver.report()
    assert recorded["berry_leases_open"] == recorded["berry_workers_ready"] == {"": 0}
    assert recorded["berry_restarts"] == {"": 1}
    assert recorded["berry_oldest_lease_seconds"] == {"": 0}
