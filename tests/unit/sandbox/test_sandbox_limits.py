"""Limits of a program, and its attempts to hide that it exceeds them."""

import asyncio
import fcntl
import signal
from dataclasses import replace

import pytest

from sandbox import Level, Limits, Program, Sandbox, Status
from tests.patience import LONG_BEFORE_SECONDS, LONG_SECONDS, until
from tests.programs import asleep

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


async def test_a_command_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a program and its arguments, got nothing"):
        Program(command=())


@pytest.mark.parametrize("command", [("/bin/echo", "a\0b"), ("/bin/echo", "\ud800")])
async def test_a_command_that_cannot_be_started_does_not_become_the_zygote(
    sandbox: Sandbox, command: tuple[str, ...]
) -> None:
    if sandbox.protection is not None and sandbox.protection.level < Level.NAMESPACES:
        pytest.skip("commands are refused without namespaces")
    result = await sandbox.run(Program(command=command))
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


async def test_a_file_lock_has_no_effect_outside(sandbox: Sandbox) -> None:
    # A file that is the same one in every sandbox.
    path = "/usr/bin/env"
    locks = f"""
import fcntl
file = open({path!r}, "rb")
fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
for command in (37, 38):  # of open file descriptions
    fcntl.fcntl(file, command, fcntl.fcntl(file, fcntl.F_GETLK, bytes(32)))
print("locked", flush=True)
import threading, time
thread = threading.Thread(target=time.sleep, args=[{LONG_SECONDS}])
thread.start()
thread.join()
"""
    limits = Limits(wall_seconds=LONG_SECONDS)
    holding = asyncio.create_task(sandbox.run(Program(code=locks, limits=limits)))
    await until(lambda: asleep(sandbox))
    with open(path, "rb") as file:  # noqa: ASYNC230, PTH123 - a lock needs a descriptor
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(file, fcntl.LOCK_UN)
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)


async def test_a_program_with_files_of_its_own_can_lock_them(sandbox: Sandbox) -> None:
    if sandbox.protection is not None and sandbox.protection.level < Level.NAMESPACES:
        pytest.skip("programs that write files are refused without namespaces")
    code = """
import sqlite3
one = sqlite3.connect("x.db")
one.execute("create table t (x)")
one.execute("insert into t values (5)")
one.commit()
print(sqlite3.connect("x.db").execute("select * from t").fetchall())
"""
    result = await sandbox.run(Program(code=code, limits=Limits(files=10)))
    assert (result.status, result.stdout) == (Status.OK, b"[(5,)]\n"), result


async def test_the_machines_load_is_hidden(sandbox: Sandbox) -> None:
    code = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
print(libc.sysinfo(ctypes.create_string_buffer(200)))
for name in ("loadavg", "meminfo", "uptime", "stat"):
    try: print(open(f"/proc/{name}").read())
    except OSError: pass
"""
    assert (await sandbox.run(Program(code=code))).stdout == b"-1\n"


async def test_no_more_processes_live_than_are_allowed(sandbox: Sandbox) -> None:
    if sandbox.protection is not None and sandbox.protection.level < Level.NAMESPACES:
        pytest.skip("programs that start processes are refused without namespaces")
    forks = """
import os, sys, time
for _ in range({count}):
    if os.fork() == 0:
        time.sleep({seconds})
        os._exit(0)
print("started", flush=True)
time.sleep({seconds})
"""
    limits = Limits(processes=4, wall_seconds=LONG_SECONDS)
    few = Program(code=forks.format(count=4, seconds=0.3), limits=limits)
    many = Program(code=forks.format(count=5, seconds=LONG_SECONDS), limits=limits)
    assert (await sandbox.run(few)).status is Status.OK
    result = await sandbox.run(many)
    assert result.status is Status.RUNTIME_ERROR
    assert result.wall_seconds < LONG_BEFORE_SECONDS
