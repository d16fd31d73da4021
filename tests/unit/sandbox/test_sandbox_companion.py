"""A program and its companion: two locked processes with a socket between them."""

import asyncio

import pytest

from sandbox import CHANNEL, Limits, Program, Sandbox, Status

pytestmark = pytest.mark.asyncio(loop_scope="module")
ASKS = f"""
import os
os.write({CHANNEL}, b"hello")
print(os.read({CHANNEL}, 100).decode(), end="")
"""
LIMITS = Limits(cpu_seconds=0.5, wall_seconds=1, memory_mb=128)


async def test_the_two_talk_to_each_other(sandbox: Sandbox) -> None:
    companion = f"import os; os.write({CHANNEL}, os.read({CHANNEL}, 100)[::-1])"
    result = await sandbox.run(Program(code=ASKS, companion=companion))
    assert (result.status, result.stdout, result.companion) == (Status.OK, b"olleh", Status.OK)


@pytest.mark.parametrize(
    ("companion", "status"),
    [
        ("import os; os._exit(3)", Status.RUNTIME_ERROR),
        ("import sys; sys.exit(0)", Status.OK),
        ("x = bytearray(1 << 30)", Status.MEMORY_LIMIT),
        ("import ctypes; ctypes.string_at(0)", Status.RUNTIME_ERROR),
    ],
)
async def test_how_the_companion_ended_is_reported(
    sandbox: Sandbox, companion: str, status: Status
) -> None:
    waits = f"import os\ntry: print(os.read({CHANNEL}, 1))\nexcept OSError: print(b'')"
    result = await sandbox.run(Program(code=waits, companion=companion, limits=LIMITS))
    assert (result.status, result.stdout, result.companion) == (Status.OK, b"b''\n", status)


async def test_a_program_that_ends_at_once_does_not_hide_how_its_companion_ended(
    sandbox: Sandbox,
) -> None:
    # The memory delays the companion's end after its channel is closed.
    companion = "import os; x = bytearray(100 << 20); os._exit(3)"
    program = Program(code=f"import os; os.read({CHANNEL}, 1)", companion=companion)
    results = await asyncio.gather(*(sandbox.run(program) for _ in range(60)))
    assert {result.companion for result in results} == {Status.RUNTIME_ERROR}


@pytest.mark.parametrize("endless", ["while True: pass", "import time; time.sleep(60)"])
async def test_the_limits_of_time_hold_for_both(sandbox: Sandbox, endless: str) -> None:
    waits = f"import os; os.read({CHANNEL}, 1)"
    result = await sandbox.run(Program(code=waits, companion=endless, limits=LIMITS))
    assert result.status is Status.TIMEOUT
    assert result.wall_seconds < 10


async def test_a_companion_does_not_outlive_its_program(sandbox: Sandbox) -> None:
    result = await sandbox.run(Program(code="print(1)", companion="import time; time.sleep(60)"))
    assert (result.status, result.stdout, result.companion) == (Status.OK, b"1\n", Status.OK)
    assert result.wall_seconds < 10


async def test_neither_can_look_into_the_other_or_end_it(sandbox: Sandbox) -> None:
    # One reveals its number and the address of a secret; the other tries everything it can.
    holds = f"""
import ctypes, os
secret = ctypes.create_string_buffer(b"the expected answer")
os.write({CHANNEL}, f"{{os.getpid()}} {{ctypes.addressof(secret)}}".encode())
print(os.read({CHANNEL}, 10_000).decode())
"""
    tries = f"""
import ctypes, os, signal
pid, address = map(int, os.read({CHANNEL}, 100).split())
got = []
def attempt(name, action):
    try: got.append((name, action()))
    except OSError: pass
def read_memory():
    with open(f"/proc/{{pid}}/mem", "rb", buffering=0) as file:
        file.seek(address)
        return file.read(19)
attempt("mem", read_memory)
for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, 0):
    attempt(f"signal {{number}}", lambda: os.kill(pid, number))
attempt("fds", lambda: os.listdir(f"/proc/{{pid}}/fd"))
attempt("environ", lambda: open(f"/proc/{{pid}}/environ", "rb").read())
attempt("maps", lambda: open(f"/proc/{{pid}}/maps", "rb").read())
libc = ctypes.CDLL(None, use_errno=True)
if libc.syscall(310, pid, None, 0, None, 0, 0) == 0 or libc.ptrace(16, pid, 0, 0) == 0:
    got.append("ptrace")
os.write({CHANNEL}, (repr(got) or "nothing").encode())
"""
    result = await sandbox.run(Program(code=holds, companion=tries))
    assert (result.status, result.stdout) == (Status.OK, b"[]\n"), result


async def test_a_companion_cannot_see_the_programs_input(sandbox: Sandbox) -> None:
    # Both are copies of the zygote, which holds the request while it makes them.
    secret = b"what the tests expect"
    looks = f"""
import gc, mmap, os, sys
found = []
def look(thing):
    try:
        content = bytes(thing[:]) if isinstance(thing, mmap.mmap) else bytes(thing)
    except Exception:  # whatever bytes() makes of it
        return
    if {secret[::-1]!r}[::-1] in content: found.append(type(thing).__name__)
frame = sys._getframe()
while frame is not None:
    for value in list(frame.f_locals.values()): look(value) if not isinstance(value, int) else None
    frame = frame.f_back
for thing in gc.get_objects():
    if isinstance(thing, (mmap.mmap, memoryview, bytearray)): look(thing)
for number in range(64):
    try: content = os.pread(number, 10_000, 0)
    except OSError: continue
    if {secret[::-1]!r}[::-1] in content: found.append(number)
os.write({CHANNEL}, (repr(found) or "nothing").encode())
"""
    reads = f"import os; print(os.read({CHANNEL}, 10_000).decode())"
    result = await sandbox.run(Program(code=reads, stdin=secret * 9, companion=looks))
    assert (result.status, result.stdout) == (Status.OK, b"[]\n"), result


async def test_a_companion_needs_a_program() -> None:
    with pytest.raises(ValueError, match="companion"):
        Program(command=("true",), companion="pass")
