"""One hit from outside, during a start or a test, changes nothing and is not hidden."""

import asyncio
import os
import re
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sandbox import Level, Program, Result, Sandbox, SandboxConfig, SandboxUnavailable, Status
from sandbox.levels import find_protection
from sandbox.worker import Walls, Worker, WorkerLost

Kill = Callable[[range], list[int]]


@pytest.fixture
def kill_starts(monkeypatch: pytest.MonkeyPatch) -> Kill:
    """Kills the processes with these numbers as they start; returns the ids of all."""

    def kill(numbers: range) -> list[int]:
        spawn, pids = asyncio.create_subprocess_exec, list[int]()

        async def spawn_and_kill(*arguments: Any, **options: Any) -> asyncio.subprocess.Process:
            process = await spawn(*arguments, **options)
            if len(pids) in numbers:
                os.kill(process.pid, signal.SIGKILL)
            pids.append(process.pid)
            return process

        monkeypatch.setattr(asyncio, "create_subprocess_exec", spawn_and_kill)
        return pids

    return kill


async def test_a_worker_that_dies_while_it_starts_is_started_again(kill_starts: Kill) -> None:
    async with Sandbox(SandboxConfig(processes=1, recycle_after=1)) as sandbox:
        assert (await sandbox.run(Program(code="print(0)"))).stdout == b"0\n"
        pids = kill_starts(range(2))
        assert (await sandbox.run(Program(code="print(1)"))).stdout == b"1\n"
        assert len(pids) == 3


async def test_a_worker_that_dies_each_time_is_abandoned(kill_starts: Kill) -> None:
    async with Sandbox(SandboxConfig(processes=1, recycle_after=1)) as sandbox:
        await sandbox.run(Program(code="pass"))
        pids = kill_starts(range(3))
        with pytest.raises(SandboxUnavailable, match=r"did not start: .* signal 9, 3 times"):
            await sandbox.run(Program(code="print(1)"))
        assert len(pids) == 3
        assert (await sandbox.run(Program(code="print(2)"))).stdout == b"2\n"


async def test_a_process_that_ends_by_itself_is_not_started_again(
    kill_starts: Kill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.worker._own_modules", lambda: {"zygote": "raise SystemExit(1)"})
    pids = kill_starts(range(0))
    worker = Worker(Walls(namespaces=False, landlock=False, seccomp=False))
    with pytest.raises(SandboxUnavailable, match="did not start"):
        await worker.start()
    await worker.close()
    assert len(pids) == 1


async def strongest() -> Level:
    return (await find_protection()).level


async def test_the_level_stays_when_a_start_is_hit(kill_starts: Kill) -> None:
    level = await strongest()
    kill_starts(range(1))
    found = await find_protection()
    assert found.level is level


class HitWorker(Worker):
    """Kills the zygote, or replaces its message, in runs with these numbers."""

    runs = 0
    kills: range = range(0)
    pretends: range = range(0)

    async def run(self, program: Program) -> Result:
        number = HitWorker.runs
        HitWorker.runs += 1
        if number in self.kills:
            os.kill(self.zygote_pid, signal.SIGKILL)
        result = await super().run(program)
        return replace(result, status=Status.KILLED, stdout=b"") if number in self.pretends else result


@pytest.mark.parametrize("number", [0, 1, 4])
@pytest.mark.parametrize("blow", ["kills", "pretends"])
async def test_the_level_stays_when_a_trial_is_hit(
    monkeypatch: pytest.MonkeyPatch, blow: str, number: int
) -> None:
    level = await strongest()
    monkeypatch.setattr("sandbox.levels.Worker", HitWorker)
    monkeypatch.setattr(HitWorker, "runs", 0)
    monkeypatch.setattr(HitWorker, blow, range(number, number + 1))
    found = await find_protection()
    assert HitWorker.runs > number
    assert found.level is level


async def test_a_level_that_is_refused_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    level = await strongest()
    monkeypatch.setattr("sandbox.levels.Worker", HitWorker)
    monkeypatch.setattr(HitWorker, "runs", 0)
    monkeypatch.setattr(HitWorker, "kills", range(3))
    found = await find_protection(Level.WEAK)
    assert found.level < level
    assert re.search(r"process died.*, 3 times", found.passed_over[0]), found.passed_over


async def test_a_process_that_died_unseen_is_waited_for_by_one_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    closing, wait = threading.Event(), vars(asyncio.ThreadedChildWatcher)["_do_waitpid"]

    def wait_late(*arguments: Any) -> None:
        closing.wait()
        wait(*arguments)

    monkeypatch.setattr(asyncio.ThreadedChildWatcher, "_do_waitpid", wait_late)
    worker = Worker(Walls(namespaces=False, landlock=False, seccomp=False))
    await worker.start()
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    await asyncio.to_thread(os.waitid, os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)
    asyncio.get_running_loop().call_soon(closing.set)
    await worker.close()
    assert "Unknown child process" not in caplog.text
    with pytest.raises(WorkerLost):
        await worker.run(Program(code="pass"))


async def test_a_worker_that_has_no_zygote_yet_has_no_id_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker(Walls(namespaces=False, landlock=False, seccomp=False))
    await worker.start()
    try:
        monkeypatch.setattr("sandbox.worker._is_python", lambda pid: False)
        with pytest.raises(ProcessLookupError, match="expected a zygote"):
            _ = worker.zygote_pid
    finally:
        await worker.close()
