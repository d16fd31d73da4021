"""Results of programs in the sandbox: status, output and files."""

import asyncio
import re
import sys

import pytest

from sandbox import Level, Limits, Program, Sandbox, Status
from sandbox.attacks import ATTACKS
from tests.conftest import ROOT

pytestmark = pytest.mark.asyncio(loop_scope="module")
LIMITS = Limits(cpu_seconds=1, wall_seconds=1, memory_mb=128, output_bytes=1000)


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
        ("import atexit, os; atexit.register(os._exit, 5)", Status.RUNTIME_ERROR, 5),
        ("import threading as t; t.Thread(target=lambda: print(1)).start()", Status.OK, 0),
        ("import asyncio; asyncio.run(asyncio.sleep(0))", Status.OK, 0),
        ("open('x', 'w')", Status.RUNTIME_ERROR, 1),
    ],
)
async def test_status(sandbox: Sandbox, code: str, status: Status, exit_code: int) -> None:
    result = await sandbox.run(Program(code=code, limits=LIMITS))
    assert (result.status, result.exit_code) == (status, exit_code), result
    assert len(result.stdout) + len(result.stderr) <= LIMITS.output_bytes
    assert result.level >= Level.LANDLOCK


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("while True: pass", Status.TIMEOUT),
        ("import time; time.sleep(60)", Status.TIMEOUT),
        ("while True: print('x' * 100)", Status.OUTPUT_LIMIT),
    ],
)
async def test_the_status_of_a_program_that_does_not_end(
    sandbox: Sandbox, code: str, status: Status
) -> None:
    result = await sandbox.run(Program(code=code, limits=LIMITS))
    assert result.status is status, result
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


async def test_an_invalid_request_is_refused() -> None:
    with pytest.raises(ValueError, match="either `code` or `command`"):
        Program()
    with pytest.raises(ValueError, match="plain file names"):
        Program(code="", files={"../x": b""})
    with pytest.raises(ValueError, match="cpu_seconds: expected more than 0"):
        Limits(cpu_seconds=0)
    assert 10 <= sum(attack.canary for attack in ATTACKS) <= 30


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
