"""Runs every attack at every level that this machine supports, as root and as a plain user."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.attacks import ATTACKS
from sandbox.inside import lock
from sandbox.levels import got_through
from sandbox.worker import Walls, Worker
from tests.conftest import ROOT

NOBODY = 65534
SELFCHECK = [sys.executable, "-m", "sandbox.selfcheck", "--level"]


def start_as_user(folder: Path) -> list[str]:
    """Prefix that runs a command as a plain user, who can reach the interpreter and the project."""
    if os.geteuid() != 0:
        return []
    bubblewrap = shutil.which("bwrap")
    if bubblewrap is None:
        pytest.skip("bubblewrap is needed to run as another user")
    arguments = [bubblewrap, "--dev-bind", "/", "/"]
    # Root's home is closed to other users: a folder that only has the interpreter hides its mode.
    closed = [path for path in Path(sys.base_prefix).parents if path.stat().st_mode & 0o005 != 0o005]
    for path in reversed(closed):
        arguments += ["--perms", "0755", "--tmpfs", str(path)]
    if closed:
        for parent in reversed(Path(sys.base_prefix).parents):
            if parent != closed[-1] and closed[-1] in parent.parents:
                arguments += ["--perms", "0755", "--dir", str(parent)]
        arguments += ["--ro-bind", sys.base_prefix, sys.base_prefix]
    drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return [*arguments, "--", *drop]


def start_without_namespaces(_: Path) -> list[str]:
    """Prefix that runs a command where nobody may make user namespaces."""
    off = 'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"'
    prefix = ["unshare", "--user", "--map-root-user", "sh", "-c", off, "sh"]
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("user namespaces are off already: the other tests ran without them")
    return prefix


CHECKS: dict[str, tuple[str, Callable[[Path], list[str]]]] = {
    "namespaces": ("namespaces", lambda _: []),
    "landlock": ("landlock", lambda _: []),
    "namespaces as a plain user": ("namespaces", start_as_user),
    "landlock as a plain user": ("landlock", start_as_user),
    "landlock where namespaces are off": ("landlock", start_without_namespaces),
}
"""Commands that try every attack: the level, and how they are started."""


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[dict[str, subprocess.Popen[str]]]":
    """The checks that this machine supports, run concurrently: most of their time is waiting."""
    folder, begun = tmp_path_factory.mktemp("user"), {}
    with contextlib.ExitStack() as stack:
        for name, (level, prefix) in CHECKS.items():
            with contextlib.suppress(pytest.skip.Exception):
                command = [*prefix(folder), *SELFCHECK, level]
                process = subprocess.Popen(
                    command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
                )
                begun[name] = stack.enter_context(process)
        yield begun


@pytest.mark.parametrize("name", CHECKS)
def test_every_attack_is_held(
    begun: "dict[str, subprocess.Popen[str]]", name: str, tmp_path: Path
) -> None:
    if name not in begun:
        CHECKS[name][1](tmp_path)  # says why
    said, _ = begun[name].communicate()
    if "not on this machine" in said:
        pytest.skip(f"{name}: {said.strip()[-400:]}")
    assert begun[name].returncode == 0, said
    (count,) = re.findall(r"(\d+) attacks tried", said)
    assert int(count) >= 90


async def test_the_attacks_do_get_through_where_there_are_no_walls() -> None:
    worker = Worker(Walls(namespaces=False, landlock=False, seccomp=False))
    await worker.start()
    names = {
        "read a file of the machine",
        "list the root of the machine's file system",
        "a TCP socket",
        "fork",
        "start a process",
        "see other processes",
        "a file in memory",
        "a user namespace",
    }
    try:
        found = {a.name for a in ATTACKS if a.name in names and await got_through(worker, a)}
    finally:
        await worker.close()
    assert found == names


async def test_most_attacks_that_leave_no_trace_get_through_where_there_are_no_walls() -> None:
    names = {
        "a UDP socket",
        "an IPv6 socket",
        "a unix socket",
        "execute a program",
        "be traced",
        "larger pipes",
        "shared memory of System V",
    }
    worker = Worker(Walls(namespaces=False, landlock=False, seccomp=False))
    await worker.start()
    try:
        found = {a.name for a in ATTACKS if a.name in names and await got_through(worker, a)}
    finally:
        await worker.close()
    assert found == names


def test_names_are_unique_and_the_canaries_are_a_short_list() -> None:
    names = [attack.name for attack in ATTACKS]
    assert len(set(names)) == len(names)
    canaries = {attack.name for attack in ATTACKS if attack.canary}
    assert 10 <= len(canaries) <= 20
    # One of each kind: files, network, processes, memory, output.
    assert canaries >= {
        "read a file of the machine",
        "write outside the working folder",
        "a TCP socket",
        "see other processes",
        "kill the parent process",
        "fork",
        "memory by bytes",
        "endless output",
    }


_WRITE_MUCH = """
import asyncio, json
from sandbox import Limits, Program
from sandbox.worker import Walls, Worker, WorkerLost

CODE = '''
import os
total = 0
try:
    for number in range(40):
        with open(str(number), "wb", buffering=0) as file:
            total += file.write(bytes(900_000))
except OSError:
    pass
print(total)
'''

async def main():
    limits = Limits(files=4, file_bytes=1_000_000)
    worker = Worker(Walls(namespaces=False, landlock=True, seccomp=True))
    await worker.start()
    try:
        result = await worker.run(Program(code=CODE, limits=limits))
        try:
            await worker.run(Program(code="import os; os.mkdir('folder')", limits=limits))
        except WorkerLost:
            print(json.dumps([int(result.stdout), "lost"]))
        else:
            print(json.dumps([int(result.stdout), "fine"]))
    finally:
        await worker.close()

asyncio.run(main())
"""


@pytest.mark.skipif(lock.landlock_version() == 0, reason="this kernel has no Landlock")
def test_without_mounts_a_plain_users_program_cannot_fill_the_disk(tmp_path: Path) -> None:
    done = subprocess.run(
        [*start_as_user(tmp_path), sys.executable, "-c", _WRITE_MUCH],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    total, end = json.loads(done.stdout)
    assert total <= 1_100_000
    assert end == "fine"
