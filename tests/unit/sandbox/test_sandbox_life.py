"""The life of a sandbox: levels, workers, programs at the same time, cancellation and closing."""

import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from sandbox import Level, Program, Sandbox, SandboxConfig, SandboxUnavailable, Status
from sandbox.inside import lock
from sandbox.worker import Worker
from tests.conftest import ROOT
from tests.patience import until
from tests.programs import running

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_answers_go_to_who_asked_also_after_a_cancellation(sandbox: Sandbox) -> None:
    tasks = [
        asyncio.create_task(sandbox.run(Program(code="import time; time.sleep(5)"))) for _ in range(2)
    ]
    await until(lambda: len(running(sandbox)) == 2)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    results = await asyncio.gather(*(sandbox.run(Program(code=f"print({n})")) for n in range(50)))
    assert [int(result.stdout) for result in results] == list(range(50))


async def test_workers_are_replaced_after_their_number_of_programs() -> None:
    async with Sandbox(SandboxConfig(processes=1, recycle_after=3)) as sandbox:
        pids = []
        for _ in range(7):
            assert (await sandbox.run(Program(code="pass"))).status is Status.OK
            pids.extend(sandbox.worker_pids)
        assert len(set(pids)) == 3


async def test_without_bubblewrap_the_next_level_is_taken_or_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with pytest.raises(SandboxUnavailable, match="bubblewrap is not installed"):
        await Sandbox(SandboxConfig(minimum_level=Level.NAMESPACES)).start()
    async with Sandbox() as sandbox:
        assert sandbox.protection is not None
        assert sandbox.protection.level is Level.LANDLOCK
        assert (await sandbox.run(Program(code="pass"))).level is Level.LANDLOCK
        with pytest.raises(SandboxUnavailable, match=r"commands, .* need namespaces"):
            await sandbox.run(Program(command=("/bin/true",)))
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - a microsecond, not worth a thread


async def test_an_unprotected_run_has_to_be_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(lock, "landlock_version", lambda: 0)
    with pytest.raises(SandboxUnavailable, match=r"sandbox\.allow_weak=true"):
        await Sandbox().start()
    async with Sandbox(SandboxConfig(allow_weak=True, processes=1)) as sandbox:
        assert sandbox.protection is not None
        assert sandbox.protection.level is Level.WEAK
        gaps = sandbox.protection.not_covered
        assert "attack: read a file of the machine" in gaps
        assert (await sandbox.run(Program(code="print(1)"))).stdout == b"1\n"


async def test_nothing_of_a_program_stays_in_the_memory_that_the_next_one_is_a_copy_of() -> None:
    marks = [f"{name}-{os.urandom(8).hex()}" for name in ("code", "input", "printed", "complained")]
    code = f"import sys\nx = '{marks[0]}'\nprint(input()[::-1])\nsys.stderr.write(input()[::-1])"
    stdin = f"{marks[2][::-1]}\n{marks[3][::-1]}\n{marks[1]}".encode()
    async with Sandbox(SandboxConfig(processes=1)) as sandbox:
        result = await sandbox.run(Program(code=code, stdin=stdin))
        assert (result.stdout.decode(), result.stderr.decode()) == (f"{marks[2]}\n", marks[3])
        # Once it has answered again, it has released everything of the first program.
        await sandbox.run(Program(code="pass"))
        (worker,) = sandbox._workers
        try:
            with stopped(worker.zygote_pid):
                memory = read_memory(worker.zygote_pid)
        except PermissionError:
            pytest.skip("this user may not read the memory of its own processes")
    assert b"berry" in memory or b"sandbox" in memory
    assert [mark for mark in marks if mark.encode() in memory or mark[::-1].encode() in memory] == []


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Meanwhile the process must not unmap anything: reading a released map would fail."""
    process = psutil.Process(pid)
    process.suspend()
    try:
        while process.status() != psutil.STATUS_STOPPED:
            pass
        yield
    finally:
        process.resume()


def read_memory(pid: int) -> bytes:
    """Everything that a process can read of itself, except its devices."""
    content = []
    folder = Path(f"/proc/{pid}")
    with (folder / "maps").open() as maps, (folder / "mem").open("rb", buffering=0) as memory:
        for line in maps:
            area, rights, *_ = line.split()
            start, end = (int(number, 16) for number in area.split("-"))
            if rights.startswith("rw"):
                memory.seek(start)
                content.append(memory.read(end - start))
    return b"".join(content)


async def test_a_busy_event_loop_is_not_taken_for_silence(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.worker._SILENCE_SECONDS", 2.0)
    task = asyncio.create_task(sandbox.run(Program(code="import time; time.sleep(1); print(1)")))
    await until(lambda: running(sandbox))
    time.sleep(2.5)  # noqa: ASYNC251 - this is the busy loop
    assert (await task).stdout == b"1\n"


async def test_closing_twice_is_fine_and_it_can_be_used_again() -> None:
    sandbox = Sandbox(SandboxConfig(processes=1))
    await sandbox.close()
    for _ in range(2):
        assert (await sandbox.run(Program(code="print(1)"))).stdout == b"1\n"
        assert len(sandbox.worker_pids) == 1
        await sandbox.close()
        await sandbox.close()
        assert sandbox.worker_pids == []


async def test_programs_that_wait_for_a_slot_can_be_cancelled() -> None:
    async with Sandbox(SandboxConfig(processes=1)) as sandbox:
        first = asyncio.create_task(sandbox.run(Program(code="import time; time.sleep(1); print(0)")))
        waiting = [asyncio.create_task(sandbox.run(Program(code=f"print({n})"))) for n in range(10)]
        await until(lambda: running(sandbox))
        for task in waiting[::2]:
            task.cancel()
        ends = await asyncio.gather(first, *waiting, return_exceptions=True)
        kinds = Counter(type(end).__name__ for end in ends)
        assert kinds == {"Result": 6, "CancelledError": 5}
        outputs = [end.stdout for end in ends if not isinstance(end, BaseException)]
        assert outputs == [b"0\n", *(f"{n}\n".encode() for n in range(1, 10, 2))]


class RecordedWorker(Worker):
    """Remembers every worker, so that a test can clean up after a sandbox that did not."""

    every: list[Worker]

    async def start(self) -> None:
        self.every.append(self)
        await super().start()


@pytest_asyncio.fixture(loop_scope="module")
async def workers(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[Worker]]:
    RecordedWorker.every = []
    monkeypatch.setattr("sandbox.pool.Worker", RecordedWorker)
    yield RecordedWorker.every
    for worker in RecordedWorker.every:
        await worker.close()
        worker._writer.close()


async def test_a_run_that_is_cancelled_twice_frees_its_slot(workers: list[Worker]) -> None:
    sandbox = Sandbox(SandboxConfig(processes=1))
    await sandbox.start()
    task = asyncio.create_task(sandbox.run(Program(code="import time; time.sleep(5)")))
    await until(lambda: running(sandbox))
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    try:
        assert (await sandbox.run(Program(code="print(1)"))).stdout == b"1\n"
    finally:
        await sandbox.close()


async def test_closing_ends_every_program_that_runs_or_waits(workers: list[Worker]) -> None:
    sandbox = Sandbox(SandboxConfig(processes=1))
    await sandbox.start()
    program = Program(code="import time; time.sleep(1)")
    tasks = [asyncio.create_task(sandbox.run(program)) for _ in range(3)]
    await until(lambda: running(sandbox))
    await sandbox.close()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(not isinstance(e, BaseException) or isinstance(e, SandboxUnavailable) for e in ends)
    await sandbox.close()
    assert [worker.pid for worker in workers if worker.pid is not None] == []


async def test_an_owner_that_is_killed_leaves_no_folder_behind(tmp_path: Path) -> None:
    # Without namespaces a worker's folder is among the machine's own temporary files.
    owner = """
import asyncio
from sandbox import Program
from sandbox.worker import Walls, Worker
async def main():
    worker = Worker(Walls(namespaces=False, landlock=True, seccomp=True))
    await worker.start()
    print("started", flush=True)
    await worker.run(Program(code="import time; time.sleep(600)", files={"data.txt": b"x"}))
asyncio.run(main())
"""
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", owner, stdout=asyncio.subprocess.PIPE, env=environment
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"started\n"
    await until(lambda: [*tmp_path.glob("berry-sandbox-*/data.txt")])
    process.kill()
    await process.wait()
    await until(lambda: not os.listdir(tmp_path) or None)  # noqa: PTH208 - not worth a thread
