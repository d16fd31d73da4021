"""Starting Ray: a failed start is tried once more, and what remains is one line."""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray

from pipeline.cluster.ray_session import (
    AddressError,
    ClusterError,
    Head,
    HeadLost,
    check_output,
    find_address,
    join_ray,
    start_ray,
)
from pipeline.cluster.signals import treat_as_interrupt
from pipeline.files.storage import place
from tests.patience import until


class FakeRay:
    """`ray.init` that fails as often as it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *failures: BaseException) -> None:
        self.failures, self.num_starts, self.num_shutdowns = list(failures), 0, 0
        monkeypatch.setattr(ray, "init", self.init)
        monkeypatch.setattr(ray, "shutdown", self.shutdown)

    def init(self, **settings: Any) -> None:
        self.num_starts += 1
        if self.failures:
            raise self.failures.pop(0)

    def shutdown(self) -> None:
        self.num_shutdowns += 1


@pytest.fixture(autouse=True)
def _handlers_stay() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


SLOW = Exception("The current node timed out during startup. This could happen because ...\nmore")


def test_a_start_that_fails_once_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeRay(monkeypatch, SLOW)
    start_ray(3)
    assert (fake.num_starts, fake.num_shutdowns) == (2, 1)


@pytest.mark.parametrize("failure", [SLOW, OSError(28, "No space left on device"), Exception()])
def test_a_start_that_fails_twice_is_one_line(
    monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    FakeRay(monkeypatch, failure, failure)
    with pytest.raises(ClusterError) as raised:
        start_ray(3)
    message = str(raised.value)
    assert "\n" not in message
    assert "in 2 attempts" in message
    assert type(failure).__name__ in message


def test_a_cluster_that_cannot_be_joined_is_not_tried_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeRay(monkeypatch, ConnectionError("nobody there"))
    with pytest.raises(AddressError, match="Ray at auto: nobody there"):
        join_ray("auto", [])
    assert fake.num_starts == 1


def test_a_sigterm_while_ray_starts_is_an_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeRay(monkeypatch, SystemExit(15))
    with pytest.raises(KeyboardInterrupt):
        start_ray(3)


def test_rays_own_handler_does_not_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    def init(**settings: Any) -> None:
        signal.signal(signal.SIGTERM, lambda number, frame: os._exit(15))

    monkeypatch.setattr(ray, "init", init)
    start_ray(3)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_interrupts_also_where_sigint_is_ignored(number: signal.Signals) -> None:
    """As of a process that a shell without job control has started in the background."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        treat_as_interrupt()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    finally:
        signal.signal(signal.SIGINT, before)


def test_what_the_caller_ignores_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    treat_as_interrupt()
    signal.raise_signal(signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


JOB = {"RAY_JOB_CONFIG_JSON_ENV_VAR": "{}"}


@pytest.mark.parametrize(
    ("configured", "environment", "expected"),
    [
        (None, {}, None),
        ("host:6379", {"RAY_ADDRESS": "other:1"} | JOB, "host:6379"),
        (None, {"RAY_ADDRESS": "other:1"} | JOB, "other:1"),
        (None, JOB, "auto"),
    ],
)
def test_a_job_joins_the_ray_that_runs_it(
    configured: str | None, environment: dict[str, str], expected: str | None
) -> None:
    assert find_address(configured, environment) == expected


def test_a_jobs_output_cannot_be_relative() -> None:
    check_output(Path("runs/out"), {})
    check_output(Path("/data/out"), JOB)
    check_output(place("memory://bucket/out"), JOB)
    with pytest.raises(AddressError, match="expected an absolute path or a URL, got runs/out"):
        check_output(Path("runs/out"), JOB)


class Context:
    """Stands for Ray's runtime context."""

    def __init__(self, address: str) -> None:
        self.gcs_address = address


async def test_a_head_that_no_longer_answers_ends_the_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.cluster.ray_session._LOOK_SECONDS", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setattr(ray, "get_runtime_context", lambda: Context(address))
        head, done = Head(), asyncio.Event()
        assert await head.answers()
        looks, answers = [], head.answers

        async def look() -> bool:
            looks.append(await answers())
            return looks[-1]

        monkeypatch.setattr(head, "answers", look)
        watching = asyncio.create_task(head.watch(done))
        await until(lambda: len(looks) > 3)
        assert not watching.done()
    with pytest.raises(HeadLost, match="repeat the command to resume"):
        await watching
    assert not await head.answers()


async def test_the_watch_ends_when_the_work_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setattr(ray, "get_runtime_context", lambda: Context(address))
        done = asyncio.Event()
        watching = asyncio.create_task(Head().watch(done))
        done.set()
        await watching


async def test_a_head_that_was_never_visible_from_here_is_left_to_ray(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As that of a cluster that is joined through Ray's client port."""
    monkeypatch.setattr("pipeline.cluster.ray_session._LOOK_SECONDS", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    monkeypatch.setattr(ray, "get_runtime_context", lambda: Context(f"127.0.0.1:{free}"))
    head, done = Head(), asyncio.Event()
    assert await head.answers()
    watching = asyncio.create_task(head.watch(done))
    done.set()
    await watching
