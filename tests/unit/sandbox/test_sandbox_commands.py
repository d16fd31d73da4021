"""Commands that start no processes: fast, since they share a worker, and locked like programs."""

from collections.abc import Sequence

import pytest

from sandbox import Level, Limits, Program, Result, Sandbox, Status

pytestmark = pytest.mark.asyncio(loop_scope="module")
LIMITS = Limits(cpu_seconds=1, wall_seconds=2, memory_mb=128, output_bytes=1000)


async def run(sandbox: Sandbox, *command: str, **more: object) -> Result:
    await sandbox.start()
    if sandbox.protection is not None and sandbox.protection.level < Level.NAMESPACES:
        pytest.skip("commands are refused without namespaces")
    program = Program(command=command, single_process=True, **{"limits": LIMITS, **more})  # type: ignore[arg-type]
    assert not program.needs_own_sandbox
    return await sandbox.run(program)


async def shell(sandbox: Sandbox, script: str, **more: object) -> Result:
    return await run(sandbox, "/bin/sh", "-c", script, **more)


async def test_it_reads_and_prints(sandbox: Sandbox) -> None:
    result = await run(sandbox, "/bin/cat", stdin=b"hello")
    assert (result.status, result.stdout) == (Status.OK, b"hello")
    result = await run(sandbox, "/bin/cat", "data", files={"data": b"content"})
    assert (result.status, result.stdout) == (Status.OK, b"content")
    result = await shell(sandbox, "read x; echo $x; exit 4", stdin=b"line\n")
    assert (result.status, result.exit_code, result.stdout) == (Status.RUNTIME_ERROR, 4, b"line\n")
    assert (await run(sandbox, "no-such-command")).exit_code == 127


@pytest.mark.parametrize(
    "script",
    [
        "/bin/true & wait; echo forked",
        "x=$(/bin/echo forked); echo $x",
        "/bin/echo forked | /bin/cat",
        "(/bin/echo forked)",
        "/bin/true; echo forked",
    ],
)
async def test_it_starts_no_other(sandbox: Sandbox, script: str) -> None:
    result = await shell(sandbox, script)
    assert b"forked" not in result.stdout
    assert b"fork" in result.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("/bin/cat", "/etc/passwd"),
        ("/bin/cat", "/etc/shadow"),
        ("/bin/ls", "/root"),
        ("/bin/cp", "/bin/true", "copy"),
        ("/bin/mkdir", "folder"),
        ("/usr/bin/touch", "/dev/shm/file"),
        ("/bin/sh", "-c", "echo x > file"),
        ("/bin/sh", "-c", "kill -9 $PPID && echo killed"),
        ("/bin/sh", "-c", "kill -0 1 && echo killed"),
        ("/bin/mount", "-t", "tmpfs", "none", "/tmp"),
        ("/usr/bin/python3", "-c", "import socket; socket.socket(); print('opened')"),
    ],
)
async def test_it_reaches_nothing_outside(sandbox: Sandbox, command: Sequence[str]) -> None:
    result = await run(sandbox, *command)
    assert (result.exit_code, result.stdout) != (0, b"")
    assert result.status is Status.RUNTIME_ERROR, result
    assert result.stdout == b""


async def test_a_command_may_write_where_it_is_allowed_to(sandbox: Sandbox) -> None:
    script = "echo content > file; read x < file; echo $x"
    result = await shell(sandbox, script, limits=Limits(files=3))
    assert (result.status, result.stdout) == (Status.OK, b"content\n")
    result = await run(sandbox, "/bin/ls")
    assert result.stdout == b"", "nothing is left for the next program"


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("while :; do :; done", Status.TIMEOUT),
        ("while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done", Status.OUTPUT_LIMIT),
        ("kill -9 $$; exit 5", Status.RUNTIME_ERROR),
        ("kill -STOP $$; exit 5", Status.RUNTIME_ERROR),
        ("kill -SEGV $$", Status.RUNTIME_ERROR),
        ("ulimit -t 1; while :; do :; done", Status.TIMEOUT),
    ],
)
async def test_its_limits_hold(sandbox: Sandbox, script: str, status: Status) -> None:
    assert (await shell(sandbox, script)).status is status


async def test_concurrent_and_later_programs_start_no_command(sandbox: Sandbox) -> None:
    assert (await run(sandbox, "/bin/true")).status is Status.OK
    code = "import os\nos.execv('/bin/echo', ['echo', 'ran'])"
    for files in ({}, {"x": b""}):
        result = await sandbox.run(Program(code=code, files=files))
        assert result.stdout == b""
        assert b"PermissionError" in result.stderr


@pytest.mark.parametrize(
    "given",
    [
        {"code": "", "single_process": True},
        {"command": ("true",), "single_process": True, "limits": Limits(processes=1)},
    ],
)
async def test_only_a_command_can_be_of_a_single_process(given: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="single_process"):
        Program(**given)  # type: ignore[arg-type]
