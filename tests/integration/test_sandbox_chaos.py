"""The sandbox under attack: workers killed and stopped, many runs in a row, a busy machine."""

import asyncio
import contextlib
import os
import random
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sandbox import Limits, Program, Sandbox, SandboxConfig, SandboxUnavailable, Status
from tests.patience import until
from tests.programs import asleep, running, sleep_in_thread

SOAK_RUNS = int(os.environ.get("BERRY_SOAK_RUNS", "3000"))


def children() -> set[psutil.Process]:
    """Descriptors of this process, which may have an engine besides the sandbox."""
    return set(psutil.Process().children(recursive=True))


@pytest.mark.chaos
@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_worker_that_is_lost_comes_back(signal_number: int) -> None:
    chance = random.Random(signal_number)
    async with Sandbox(SandboxConfig(processes=2)) as sandbox:
        ends: list[str] = []

        async def run(number: int) -> None:
            code = f"import time; time.sleep(0.05); print({number})"
            try:
                result = await sandbox.run(Program(code=code))
            except SandboxUnavailable:
                ends.append("lost")
            else:
                assert (result.status, int(result.stdout)) == (Status.OK, number)
                ends.append("ok")

        rounds = 12 if signal_number == signal.SIGKILL else 2
        tasks = [asyncio.create_task(run(number)) for number in range(rounds * 10)]
        blows = 0
        for _ in range(rounds):
            await asyncio.sleep(0.2)
            workers = [worker for worker in sandbox._workers if worker.pid is not None]
            # A worker hit just now may not have a zygote again.
            with contextlib.suppress(OSError):
                if workers:
                    os.kill(chance.choice(workers).zygote_pid, signal_number)
                    blows += 1
        assert blows > 0
        await asyncio.gather(*tasks)
        assert len(ends) == rounds * 10
        # Each program is retried, so it takes two hits to lose one.
        assert ends.count("lost") <= rounds / 2
        assert (await sandbox.run(Program(code="print(1)"))).stdout == b"1\n"


@pytest.mark.chaos
async def test_a_program_killed_from_outside_is_run_once_more() -> None:
    async with Sandbox(SandboxConfig(processes=1)) as sandbox:
        task = asyncio.create_task(sandbox.run(Program(code=sleep_in_thread(1, 1))))
        (program,) = await until(lambda: asleep(sandbox))
        program.kill()
        assert (await task).stdout == b"1\n"


@pytest.mark.chaos
@pytest.mark.parametrize("times", [1, 2])
async def test_a_program_stopped_from_outside_is_run_once_more(times: int) -> None:
    limits = Limits(wall_seconds=2)
    program = Program(code=sleep_in_thread(1.5, 1), limits=limits)
    async with Sandbox(SandboxConfig(processes=1)) as sandbox:
        task = asyncio.create_task(sandbox.run(program))
        stopped: set[psutil.Process] = set()
        while len(stopped) < times:
            (child,) = await until(lambda: set(asleep(sandbox)) - stopped)
            child.suspend()
            stopped.add(child)
        result = await task
    assert (result.status, result.stdout) == ((Status.OK, b"1\n"), (Status.KILLED, b""))[times - 1]


@pytest.fixture
def own_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Other tests that run in parallel have sandboxes, with folders of the same names."""
    # A short path: sockets are limited to 107 bytes.
    with tempfile.TemporaryDirectory(prefix="b-") as own:
        monkeypatch.setattr(tempfile, "tempdir", own)
        yield


@pytest.mark.usefixtures("own_temporary_folder")
async def test_many_runs_leave_nothing_behind() -> None:
    programs = [
        Program(code="print('x' * 1000)"),
        Program(code="1 / 0"),
        Program(code="x = bytearray(1 << 26)", limits=Limits(memory_mb=32)),
        Program(code="import os; open('f', 'w'); os.mkdir('d')", limits=Limits(files=4)),
    ]
    me, others = psutil.Process(), children()
    async with Sandbox(SandboxConfig(processes=2)) as sandbox:

        async def run(count: int) -> None:
            for start in range(0, count, 100):
                batch = [programs[n % len(programs)] for n in range(start, min(start + 100, count))]
                await asyncio.gather(*(sandbox.run(program) for program in batch))

        def state() -> tuple[int, int, int]:
            temporary = len(list(Path(tempfile.gettempdir()).glob("berry-sandbox-*")))
            return me.num_fds(), len(children() - others), temporary

        def memory() -> int:
            return sum(p.memory_info().rss for p in [me, *(children() - others)])

        await run(500)
        before, before_memory = state(), memory()
        await run(SOAK_RUNS)
        assert state() == before
        grown = (memory() - before_memory) / 2**20
        print(f"{SOAK_RUNS} runs: memory {grown:+.1f} MB, descriptors, processes, files {state()}")
        assert grown < 20
    assert children() <= others


async def test_verdicts_are_the_same_under_load() -> None:
    burn = (
        "import time\nend = time.process_time() + {}\nwhile time.process_time() < end: pass\nprint(1)"
    )
    limits = Limits(cpu_seconds=1.0, wall_seconds=1.0)
    programs = [
        Program(code=code, limits=limits)
        for code in (
            burn.format(0.1),
            burn.format(0.4),
            burn.format(5),
            "import time; time.sleep(0.4); print(1)",
            "import time; time.sleep(5)",
            "print(1)",
            "raise ValueError",
            "x = bytearray(1 << 40)",
        )
        for _ in range(2)
    ]
    async with Sandbox(SandboxConfig(processes=2)) as quiet:
        alone = [(await quiet.run(program)).status for program in programs]
    async with Sandbox(SandboxConfig(processes=16)) as busy:
        together = await asyncio.gather(*(busy.run(program) for program in programs))
    assert [result.status for result in together] == alone
    assert set(alone) == {Status.OK, Status.TIMEOUT, Status.RUNTIME_ERROR, Status.MEMORY_LIMIT}


@pytest.mark.chaos
async def test_the_limit_of_processor_time_is_the_same_for_one_and_for_many() -> None:
    code = "import time\nwhile time.process_time() < {}: pass\nprint(1)"
    shares = [0.4] * 12 + [60] * 4
    limits = Limits(cpu_seconds=0.5, wall_seconds=60)
    programs = [Program(code=code.format(share), limits=limits) for share in shares]
    expected = [Status.OK if share < 0.5 else Status.TIMEOUT for share in shares]
    for workers in (1, 16):
        async with Sandbox(SandboxConfig(processes=workers)) as sandbox:
            results = await asyncio.gather(*(sandbox.run(program) for program in programs))
        assert [result.status for result in results] == expected, workers
        # When it ends depends on when its watcher gets a core.
        assert all(0.5 <= result.cpu_seconds < 5 for result in results[12:])


async def right_or_lost(sandbox: Sandbox, number: int, seconds: float) -> bool:
    """Whether the program got its own answer, instead of none after two hits."""
    code = f"import time; time.sleep({seconds}); print({number})"
    try:
        result = await sandbox.run(Program(code=code))
    except SandboxUnavailable:
        return False
    if result.status is Status.KILLED:
        return False
    assert (result.status, result.stdout) == (Status.OK, f"{number}\n".encode())
    return True


async def test_one_worker_killed_in_mid_run_costs_no_answer() -> None:
    async with Sandbox(SandboxConfig(processes=2)) as sandbox:
        await asyncio.gather(*(right_or_lost(sandbox, number, 0) for number in range(4)))
        before = set(sandbox.worker_pids)
        tasks = [asyncio.create_task(right_or_lost(sandbox, number, 0.5)) for number in range(4)]
        await until(lambda: len(running(sandbox)) == 2)
        os.kill(min(before), signal.SIGKILL)
        assert all(await asyncio.gather(*tasks))
        after = set(sandbox.worker_pids)
        assert len(after) == 2
        assert min(before) not in after


@pytest.mark.chaos
@pytest.mark.parametrize("seed", range(3))
async def test_outermost_and_inner_processes_killed_and_stopped_at_random(seed: int) -> None:
    chance, others = random.Random(seed), children()
    async with Sandbox(SandboxConfig(processes=3)) as sandbox:
        batch = [
            asyncio.create_task(right_or_lost(sandbox, number, chance.choice([0, 0.05, 0.2])))
            for number in range(200)
        ]
        for _ in range(8):
            await asyncio.sleep(chance.uniform(0.02, 0.3))
            pids = [pid for worker in sandbox._workers if (pid := worker.pid) is not None]
            if not pids:
                continue
            # Stopping is detected only after ten seconds of silence, so it is tried less often.
            blow = signal.SIGSTOP if chance.random() < 0.1 else signal.SIGKILL
            # A worker may have ended since its last blow.
            with contextlib.suppress(psutil.NoSuchProcess):
                family = [psutil.Process(chance.choice(pids))]
                family += family[0].children(recursive=True)
                chance.choice(family).send_signal(blow)
        right = await asyncio.gather(*batch)
        # Each hit costs at most one attempt of one program, and every program has two.
        assert right.count(False) <= 4
        assert all(await asyncio.gather(*(right_or_lost(sandbox, n, 0) for n in range(12))))
        assert len(sandbox.worker_pids) == 3
    assert children() <= others


@pytest.mark.chaos
async def test_statuses_do_not_change_on_a_machine_that_is_busy_with_something_else() -> None:
    burn = (
        "import time\nend = time.process_time() + {}\nwhile time.process_time() < end: pass\nprint(1)"
    )
    limits = Limits(cpu_seconds=1.0, wall_seconds=1.0, memory_mb=256, output_bytes=1000)
    programs = [
        Program(code=code, limits=limits)
        for code in (
            *[burn.format(0.6)] * 8,
            burn.format(3),
            "import time; time.sleep(0.5); print(1)",
            "import time; time.sleep(3)",
            "while True: print('x' * 100)",
            "x = bytearray(1 << 40)",
            "import sys; sys.exit(3)",
            "raise ValueError",
            "print(sum(range(10**6)))",
        )
    ]
    async with Sandbox(SandboxConfig(processes=2)) as sandbox:
        alone = [(await sandbox.run(program)).status for program in programs]
        assert alone.count(Status.OK) == 10
        hogs = [
            await asyncio.create_subprocess_exec(sys.executable, "-S", "-c", "while True: pass")
            for _ in range(2 * len(os.sched_getaffinity(0)))
        ]
        try:
            busy = await asyncio.gather(*(sandbox.run(program) for program in programs))
        finally:
            for hog in hogs:
                hog.kill()
                await hog.wait()
    assert [result.status for result in busy] == alone
