"""What the sandbox says of programs, whatever they do."""

import asyncio
import os
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox import Level, Limits, Program, Sandbox, SandboxConfig, SandboxUnavailable, Status, lock
from sandbox.attacks import ATTACKS
from sandbox.worker import Worker
from tests.conftest import ROOT

pytestmark = pytest.mark.asyncio(loop_scope="module")
LIMITS = Limits(cpu_seconds=1, wall_seconds=1, memory_mb=128, output_bytes=1000)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(SandboxConfig(workers=2)) as opened:
        yield opened
    await opened.close()


@pytest.mark.parametrize(
    ("code", "status", "exit_code"),
    [
        ("print(1)", Status.OK, 0),
        ("import sys; sys.exit()", Status.OK, 0),
        ("import sys; sys.exit(3)", Status.RUNTIME_ERROR, 3),
        ("import sys; sys.exit('bad')", Status.RUNTIME_ERROR, 1),
        ("import os; os._exit(7)", Status.RUNTIME_ERROR, 7),
        ("1 / 0", Status.RUNTIME_ERROR, 1),
        ("def f(:", Status.RUNTIME_ERROR, 1),
        ("\x00", Status.RUNTIME_ERROR, 1),
        ("import ctypes; ctypes.string_at(0)", Status.RUNTIME_ERROR, -11),
        ("import os; os.abort()", Status.RUNTIME_ERROR, -6),
        ("x = bytearray(1 << 30)", Status.MEMORY_LIMIT, -12),
        ("while True: pass", Status.TIMEOUT, None),
        ("import time; time.sleep(60)", Status.TIMEOUT, None),
        ("while True: print('x' * 100)", Status.OUTPUT_LIMIT, None),
        ("import atexit, os; atexit.register(os._exit, 5)", Status.RUNTIME_ERROR, 5),
        ("import threading as t; t.Thread(target=lambda: print(1)).start()", Status.OK, 0),
        ("import asyncio; asyncio.run(asyncio.sleep(0))", Status.OK, 0),
        ("open('x', 'w')", Status.RUNTIME_ERROR, 1),
    ],
)
async def test_status(sandbox: Sandbox, code: str, status: Status, exit_code: int | None) -> None:
    result = await sandbox.run(Program(code=code, limits=LIMITS))
    assert result.status is status, result
    assert exit_code is None or result.exit_code == exit_code
    assert len(result.stdout) + len(result.stderr) <= LIMITS.output_bytes
    assert result.level >= Level.LANDLOCK


async def test_input_arguments_and_streams(sandbox: Sandbox) -> None:
    code = (
        "import sys\nprint(sys.argv[1:], len(sys.stdin.buffer.read()))\n"
        "sys.stdout.flush(); sys.stdout.buffer.write(b'\\xff'); print('no', file=sys.stderr)"
    )
    stdin = b"x" * 20_000_000
    result = await sandbox.run(Program(code=code, arguments=("a", "é"), stdin=stdin))
    assert result.stdout == "['a', 'é'] 20000000\n".encode() + b"\xff"
    assert result.stderr == b"no\n"


async def test_large_output_arrives_whole(sandbox: Sandbox) -> None:
    limits = Limits(output_bytes=10_000_000)
    result = await sandbox.run(Program(code="print('x' * 9_999_999)", limits=limits))
    assert (result.status, len(result.stdout)) == (Status.OK, 10_000_000)


async def test_files(sandbox: Sandbox) -> None:
    code = "import os\nprint(open('in').read(), sorted(os.listdir('.')))\nopen('out', 'w').write('x')"
    limits = Limits(files=4)
    if sandbox.protection is not None and sandbox.protection.level < Level.NAMESPACES:
        pytest.skip("programs cannot write without namespaces")
    for _ in range(3):
        result = await sandbox.run(Program(code=code, files={"in": b"data"}, limits=limits))
        assert (result.status, result.stdout) == (Status.OK, b"data ['in']\n")
    result = await sandbox.run(Program(code=code, files={"in": b"data"}))
    assert result.stdout == b"data ['in']\n"
    assert b"PermissionError" in result.stderr


async def test_commands_and_processes(sandbox: Sandbox) -> None:
    if sandbox.protection is not None and sandbox.protection.level < Level.NAMESPACES:
        pytest.skip("commands are refused without namespaces")
    result = await sandbox.run(Program(command=("/bin/sh", "-c", "cat; exit 4"), stdin=b"hello"))
    assert (result.status, result.exit_code, result.stdout) == (Status.RUNTIME_ERROR, 4, b"hello")
    code = "import subprocess\nprint(subprocess.check_output(['echo', 'hi']))"
    result = await sandbox.run(Program(code=code, limits=Limits(processes=4)))
    assert result.stdout == b"b'hi\\n'\n"
    result = await sandbox.run(Program(command=("no-such-command",)))
    assert result.exit_code == 127


async def test_the_same_program_does_the_same_thing_everywhere(sandbox: Sandbox) -> None:
    program = Program(code="import random\nprint(random.random(), {'a', 'b', 'c'}, hash('x'))")
    results = await asyncio.gather(*(sandbox.run(program) for _ in range(8)))
    assert len({result.stdout for result in results}) == 1


async def test_answers_go_to_who_asked_also_after_a_cancellation(sandbox: Sandbox) -> None:
    running = [
        asyncio.create_task(sandbox.run(Program(code="import time; time.sleep(5)"))) for _ in range(2)
    ]
    await asyncio.sleep(0.3)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    results = await asyncio.gather(*(sandbox.run(Program(code=f"print({n})")) for n in range(50)))
    assert [int(result.stdout) for result in results] == list(range(50))


async def test_workers_are_replaced_when_they_have_done_their_share() -> None:
    async with Sandbox(SandboxConfig(workers=1, recycle_after=3)) as sandbox:
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
    assert os.listdir(tmp_path) == []  # noqa: PTH208


async def test_an_unprotected_run_has_to_be_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(lock, "landlock_version", lambda: 0)
    with pytest.raises(SandboxUnavailable, match=r"sandbox\.allow_weak=true"):
        await Sandbox().start()
    async with Sandbox(SandboxConfig(allow_weak=True, workers=1)) as sandbox:
        assert sandbox.protection is not None
        assert sandbox.protection.level is Level.WEAK
        gaps = sandbox.protection.not_covered
        assert "attack: read a file of the machine" in gaps
        assert (await sandbox.run(Program(code="print(1)"))).stdout == b"1\n"


async def test_what_cannot_be_asked_is_refused() -> None:
    with pytest.raises(ValueError, match="either `code` or `command`"):
        Program()
    with pytest.raises(ValueError, match="plain file names"):
        Program(code="", files={"../x": b""})
    with pytest.raises(ValueError, match="cpu_seconds: expected more than 0"):
        Limits(cpu_seconds=0)
    assert 10 <= sum(attack.canary for attack in ATTACKS) <= 30


async def test_nothing_of_a_program_stays_in_the_memory_that_the_next_one_is_a_copy_of() -> None:
    marks = [f"{name}-{os.urandom(8).hex()}" for name in ("code", "input", "printed", "complained")]
    code = f"import sys\nx = '{marks[0]}'\nprint(input()[::-1])\nsys.stderr.write(input()[::-1])"
    stdin = f"{marks[2][::-1]}\n{marks[3][::-1]}\n{marks[1]}".encode()
    async with Sandbox(SandboxConfig(workers=1)) as sandbox:
        result = await sandbox.run(Program(code=code, stdin=stdin))
        assert (result.stdout.decode(), result.stderr.decode()) == (f"{marks[2]}\n", marks[3])
        # Once it has answered again, it has put away all of the first.
        await sandbox.run(Program(code="pass"))
        (worker,) = sandbox._workers
        try:
            memory = read_memory(worker.zygote_pid)
        except PermissionError:
            pytest.skip("this user may not read the memory of its own processes")
    assert b"berry" in memory or b"sandbox" in memory
    assert [mark for mark in marks if mark.encode() in memory or mark[::-1].encode() in memory] == []


def read_memory(pid: int) -> bytes:
    """Everything that a process could read of itself, but for its devices."""
    content = []
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:  # noqa: PTH123
        for line in maps:
            area, rights, *_ = line.split()
            start, end = (int(number, 16) for number in area.split("-"))
            if rights.startswith("rw"):
                memory.seek(start)
                content.append(memory.read(end - start))
    return b"".join(content)


@pytest.mark.parametrize(
    "code",
    [
        "import sys\nprint(sys.stdin.mode + sys.stdout.mode)",
        "import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer)\nprint('rw')",
        "import io, sys\nsys.stdin = io.TextIOWrapper(sys.stdin.buffer)\nprint(input())",
        "import sys\nprint(input(), file=sys.__stdout__)",
    ],
)
async def test_streams_are_as_the_interpreter_makes_them(sandbox: Sandbox, code: str) -> None:
    result = await sandbox.run(Program(code=code, stdin=b"rw\n"))
    assert (result.status, result.stdout) == (Status.OK, b"rw\n"), result.stderr


async def test_a_busy_event_loop_is_not_taken_for_silence(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.worker._SILENCE_SECONDS", 2.0)
    task = asyncio.create_task(sandbox.run(Program(code="import time; time.sleep(1); print(1)")))
    await asyncio.sleep(0.1)
    time.sleep(2.5)  # noqa: ASYNC251 - this is the busy loop
    assert (await task).stdout == b"1\n"


async def test_the_example_of_the_docs_runs() -> None:
    text = (ROOT / "docs" / "code.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, re.S)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", example, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0
    assert b"desserts" in printed
    assert b"42" in printed


# ------------------------------------------------------------------------------------ what it says


@pytest.mark.parametrize(
    ("code", "stdout", "stderr"),
    [
        ("import sys; sys.exit('bad luck')", b"", b"bad luck\n"),
        ("print(1); 1 / 0", b"1\n", b"ZeroDivisionError: division by zero"),
        ("print(1)\ndef f(:", b"", b"SyntaxError"),
        ("import atexit; atexit.register(print, 'end'); print('main')", b"main\nend\n", b""),
        (
            "import threading, time\n"
            "threading.Thread(target=lambda: (time.sleep(.3), print('thread'))).start()\nprint('main')",
            b"main\nthread\n",
            b"",
        ),
        ("import threading, time as t;threading.Thread(target=t.sleep, args=[60], daemon=True).start()",
         b"", b""),
        ("print(input())\nprint(input())", b"", b"EOFError"),
        ("print(__name__, __file__ if '__file__' in globals() else None)", b"__main__ None\n", b""),
    ],
)  # fmt: skip
async def test_what_it_printed(sandbox: Sandbox, code: str, stdout: bytes, stderr: bytes) -> None:
    result = await sandbox.run(Program(code=code, limits=LIMITS))
    assert result.stdout == stdout
    assert stderr in result.stderr
    assert bool(stderr) == bool(result.stderr)


@pytest.mark.parametrize("stream", [1, 2])
async def test_output_is_cut_at_the_limit(sandbox: Sandbox, stream: int) -> None:
    code = "import os\nos.write({}, b'x' * {})"
    exact = await sandbox.run(Program(code=code.format(stream, 1000), limits=LIMITS))
    assert (exact.status, len(exact.stdout) + len(exact.stderr)) == (Status.OK, 1000)
    more = await sandbox.run(Program(code=code.format(stream, 1001), limits=LIMITS))
    assert more.status is Status.OUTPUT_LIMIT
    assert (more.stdout, more.stderr)[stream - 1] == b"x" * 1000


async def test_bytes_that_are_no_text_come_and_go_unchanged(sandbox: Sandbox) -> None:
    data = bytes(range(256)) * 300
    code = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())"
    assert (await sandbox.run(Program(code=code, stdin=data))).stdout == data
    as_text = await sandbox.run(Program(code="input()", stdin=b"\xff\n"))
    assert as_text.status is Status.RUNTIME_ERROR
    assert b"UnicodeDecodeError" in as_text.stderr


async def test_a_program_cannot_write_anywhere_unless_it_is_allowed_to(sandbox: Sandbox) -> None:
    code = (
        "import os\nfor folder in ('.', '/', '/tmp', '/dev', '/dev/shm', '/proc', '/usr', '/var/tmp',\n"
        "               os.path.dirname(os.__file__)):\n"
        "    try:\n        open(folder + '/berry-test', 'w')\n"
        "    except OSError:\n        pass\n"
        "    else:\n        print(folder)"
    )
    result = await sandbox.run(Program(code=code))
    assert (result.status, result.stdout) == (Status.OK, b"")


async def test_a_global_of_one_program_is_not_there_for_the_next(sandbox: Sandbox) -> None:
    spoil = "import builtins, json, sys\nbuiltins.print = json.dumps = None\nsys.modules['json'] = None"
    for _ in range(4):
        assert (await sandbox.run(Program(code=spoil))).status is Status.OK
        result = await sandbox.run(Program(code="import json\nprint(json.dumps([1]))"))
        assert result.stdout == b"[1]\n"


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


# -------------------------------------------------------------------------------- life of a sandbox


async def test_closing_twice_is_fine_and_it_can_be_used_again() -> None:
    sandbox = Sandbox(SandboxConfig(workers=1))
    await sandbox.close()
    for _ in range(2):
        assert (await sandbox.run(Program(code="print(1)"))).stdout == b"1\n"
        assert len(sandbox.worker_pids) == 1
        await sandbox.close()
        await sandbox.close()
        assert sandbox.worker_pids == []


async def test_programs_that_wait_for_a_slot_can_be_cancelled() -> None:
    async with Sandbox(SandboxConfig(workers=1)) as sandbox:
        first = asyncio.create_task(sandbox.run(Program(code="import time; time.sleep(0.3); print(0)")))
        waiting = [asyncio.create_task(sandbox.run(Program(code=f"print({n})"))) for n in range(10)]
        await asyncio.sleep(0.1)
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
    sandbox = Sandbox(SandboxConfig(workers=1))
    await sandbox.start()
    task = asyncio.create_task(sandbox.run(Program(code="import time; time.sleep(5)")))
    await asyncio.sleep(0.3)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    try:
        async with asyncio.timeout(3):
            assert (await sandbox.run(Program(code="print(1)"))).stdout == b"1\n"
    finally:
        await sandbox.close()


async def test_closing_ends_every_program_that_runs_or_waits(workers: list[Worker]) -> None:
    sandbox = Sandbox(SandboxConfig(workers=1))
    await sandbox.start()
    program = Program(code="import time; time.sleep(1)")
    tasks = [asyncio.create_task(sandbox.run(program)) for _ in range(3)]
    await asyncio.sleep(0.3)
    await sandbox.close()
    _, pending = await asyncio.wait(tasks, timeout=5)
    for task in pending:
        task.cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert not pending
    assert all(not isinstance(e, BaseException) or isinstance(e, SandboxUnavailable) for e in ends)
    await sandbox.close()
    assert [worker.pid for worker in workers if worker.pid is not None] == []


# ------------------------------------------------------------------------- what a program may pretend


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
        Program(command=("/bin/sh", "-c", "kill -STOP $$"), limits=LIMITS),
        Program(command=("/bin/sh", "-c", "kill -9 $$")),
    ],
    ids=["own limit", *["own stop"] * 3, "own signal", "stopped command", "command"],
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
        "import threading, time\nthreads = []\ntry:\n    while len(threads) < 100:\n"
        "        threads.append(threading.Thread(target=time.sleep, args=[0.5]))\n"
        "        threads[-1].start()\nexcept RuntimeError:\n    pass\nprint(len(threads) - 1)"
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
