"""The limits that a program has, and what it may pretend about them."""

import signal
from dataclasses import replace

import pytest

from sandbox import Level, Limits, Program, Sandbox, Status

pytestmark = pytest.mark.asyncio(loop_scope="module")
LIMITS = Limits(cpu_seconds=1, wall_seconds=1, memory_mb=128, output_bytes=1000)


@pytest.mark.parametrize(
    "program",
    [
        Program(
            code="import resource\nresource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile True: pass"
        ),
        *(
            Program(
                code=f"import os, time; os.kill(os.getpid(), {stop}); time.sleep(60)", limits=LIMITS
            )
            for stop in (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
        ),
        Program(code="import os; os.kill(os.getpid(), 9)", limits=Limits(processes=1)),
        Program(
            code="import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
            limits=replace(LIMITS, processes=8, wall_seconds=0.3),
        ),
        Program(command=("/bin/sh", "-c", "kill -STOP $$"), limits=LIMITS),
        Program(command=("/bin/sh", "-c", "kill -9 $$")),
    ],
    ids=["own limit", *["own stop"] * 3, "own signal", "own crowd", "stopped command", "command"],
)
async def test_a_program_cannot_look_killed_from_outside(sandbox: Sandbox, program: Program) -> None:
    has_namespaces = sandbox.protection is not None and sandbox.protection.level >= Level.NAMESPACES
    if program.needs_own_sandbox and not has_namespaces:
        pytest.skip("commands are refused without namespaces")
    assert (await sandbox.run(program)).status is not Status.KILLED


async def test_the_kernels_count_of_processor_time_decides_nothing(sandbox: Sandbox) -> None:
    code = "import resource; print(*resource.getrlimit(resource.RLIMIT_CPU))"
    soft, hard = map(int, (await sandbox.run(Program(code=code, limits=LIMITS))).stdout.split())
    assert 2 * LIMITS.cpu_seconds < soft <= hard
    own = "import os, signal; os.kill(os.getpid(), signal.SIGXCPU)"
    assert (await sandbox.run(Program(code=own))).status is Status.RUNTIME_ERROR


async def test_memory_eaten_in_small_pieces_is_the_memory_limit(sandbox: Sandbox) -> None:
    code = "keep = []\nwhile True: keep.append([0] * 10)"
    results = [
        await sandbox.run(Program(code=code, limits=Limits(memory_mb=megabytes)))
        for megabytes in (32, 48, 64, 96)
    ]
    assert {result.status for result in results} == {Status.MEMORY_LIMIT}


@pytest.mark.parametrize("command", [("/bin/echo", "a\0b"), ("/bin/echo", "\ud800"), ()])
async def test_a_command_that_cannot_be_started_does_not_become_the_zygote(
    sandbox: Sandbox, command: tuple[str, ...]
) -> None:
    if sandbox.protection is not None and sandbox.protection.level < Level.NAMESPACES:
        pytest.skip("commands are refused without namespaces")
    try:
        result = await sandbox.run(Program(command=command))
    except ValueError:
        return
    assert b"in main" not in result.stderr
    assert result.exit_code == 127


async def test_as_many_threads_as_allowed_can_be_started(sandbox: Sandbox) -> None:
    code = (
        "import threading\nthreads, end = [], threading.Event()\ntry:\n"
        "    while len(threads) < 100:\n"
        "        threads.append(threading.Thread(target=end.wait))\n"
        "        threads[-1].start()\nexcept RuntimeError:\n    pass\n"
        "print(len(threads) - 1)\nend.set()"
    )
    result = await sandbox.run(Program(code=code))
    assert 32 <= int(result.stdout) <= 40


async def test_no_more_files_than_allowed_can_be_made(sandbox: Sandbox) -> None:
    if sandbox.protection is not None and sandbox.protection.level < Level.NAMESPACES:
        pytest.skip("programs cannot write without namespaces")
    code = (
        "n = 0\ntry:\n    while n < 50:\n        open(str(n), 'w').close()\n        n += 1\n"
        "except OSError:\n    print(n)"
    )
    result = await sandbox.run(Program(code=code, limits=Limits(files=4)))
    assert result.stdout == b"4\n"


async def test_files_have_a_limit_of_bytes_together(sandbox: Sandbox) -> None:
    if sandbox.protection is not None and sandbox.protection.level < Level.NAMESPACES:
        pytest.skip("programs cannot write without namespaces")
    code = (
        "total = 0\ntry:\n    for n in range(10):\n        with open(str(n), 'wb', buffering=0) as f:\n"
        "            total += f.write(b'x' * 400_000)\nexcept OSError:\n    pass\nprint(total)"
    )
    limits = Limits(files=20, file_bytes=1_000_000)
    for _ in range(2):
        result = await sandbox.run(Program(code=code, limits=limits))
        assert 800_000 <= int(result.stdout) <= 1_100_000
