"""What the sandbox says of programs, whatever they do."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox import Level, Limits, Program, Sandbox, SandboxConfig, SandboxUnavailable, Status, lock
from sandbox.attacks import ATTACKS
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
        with pytest.raises(SandboxUnavailable, match=r"commands .* need namespaces"):
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
