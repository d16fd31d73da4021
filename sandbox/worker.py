"""Starts a zygote behind walls, and talks to it.

- as root: bubblewrap makes the namespaces, and each child becomes a separate user
- as a plain user: bubblewrap makes a user namespace first
- without bubblewrap: there are no namespaces, and children depend on Landlock and seccomp
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import struct
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.bubblewrap import (
    DEVICES,
    FIRST_USER_ID,
    SYSTEM_FILES,
    SYSTEM_FOLDERS,
    USER_IDS,
    bubblewrap,
    is_root,
    python_folders,
    scratch_folder,
)
from sandbox.inside import lock
from sandbox.processes import first_inside, num_tasks, wait_for_end
from sandbox.records import Level, Program, Result, SandboxUnavailable, Status
from sandbox.requests import encode

_START_SECONDS = 120.0
_STARTS = 3
_END_SECONDS = 5.0
_SILENCE_SECONDS = 10.0
"""A zygote reports every second that it is alive; after this much silence it is dead or stopped."""
_BOOTSTRAP = """\
import socket, struct, sys, types
connection = socket.socket(fileno={descriptor})
size = struct.unpack(">I", connection.recv(4, socket.MSG_WAITALL))[0]
import json
sources = json.loads(connection.recv(size, socket.MSG_WAITALL))
for name in ("sandbox", "sandbox.inside"):
    sys.modules[name] = package = types.ModuleType(name)
    package.__path__ = []
for name, source in sources.items():
    module = types.ModuleType("sandbox.inside." + name)
    sys.modules["sandbox.inside." + name] = module
    setattr(package, name, module)
    exec(compile(source, "sandbox/inside/" + name + ".py", "exec"), module.__dict__)
package.zygote.main(connection)
"""
"""The zygote's own modules arrive over the connection, so no folder of berry must be visible inside."""


class WorkerLost(Exception):
    """The zygote died, hung or failed: the program's result is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Walls:
    """Barriers that a worker puts around its programs."""

    namespaces: bool
    landlock: bool
    seccomp: bool

    @property
    def level(self) -> Level:
        """The level that they provide."""
        if self.namespaces and self.seccomp:
            return Level.NAMESPACES
        return Level.LANDLOCK if self.landlock and self.seccomp else Level.WEAK


class Worker:
    """One zygote; runs one program at a time."""

    def __init__(
        self,
        walls: Walls,
        *,
        preload: Sequence[str] = (),
        modules: Mapping[str, str] | None = None,
        readable: Sequence[Path] = (),
    ) -> None:
        """`preload` names modules to import; `modules` adds others, name -> trusted source."""
        self.walls = walls
        self.num_runs = 0
        self._preload = preload
        self._modules = modules or {}
        self._folders = sorted({*python_folders(), *map(str, readable)})
        self._process: asyncio.subprocess.Process | None = None
        self._handle: int | None = None
        """A pidfd of the process, because its number can be reused once it has ended."""
        self._is_closed = False
        self._scratch: str | None = None
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
        self._is_connected = False
        """Whether a reader and a writer exist."""

    async def start(self) -> None:
        """Starts the zygote and its imports. Raises SandboxUnavailable.

        If a signal ends or stops it meanwhile, it is started again, a few times.
        """
        for attempt in range(1, _STARTS + 1):
            try:
                await self._start_once()
            except WorkerLost as e:
                if self._is_closed or attempt == _STARTS:
                    raise SandboxUnavailable(self._not_started(f"{e}, {attempt} times")) from e
                await self._release()
            else:
                return

    async def _start_once(self) -> None:
        """Raises SandboxUnavailable; WorkerLost if hit from outside, so that a retry may succeed."""
        walls = bubblewrap(self._folders) if self.walls.namespaces else []
        ours, theirs = socket.socketpair()
        with tempfile.TemporaryFile() as complaints, theirs:
            self._reader, self._writer = await asyncio.open_connection(sock=ours)
            self._is_connected = True
            if not self.walls.namespaces:
                # For machines without mounts; the zygote removes it if this process is killed.
                self._scratch = tempfile.mkdtemp(prefix="berry-sandbox-")
                os.chmod(self._scratch, 0o755)  # noqa: PTH101 - a microsecond, not worth a thread
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *walls,
                    *_python(theirs.fileno()),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=complaints,
                    env=_ENVIRONMENT,
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                )
                with contextlib.suppress(ProcessLookupError):
                    self._handle = os.pidfd_open(self._process.pid)
                theirs.close()
                async with asyncio.timeout(_START_SECONDS):
                    self._write(_own_modules())
                    self._write(self._settings())
                    await self._ready(self._process)
            except (OSError, TimeoutError, WorkerLost) as e:
                if (hit := await self._hit_by()) is not None:
                    raise WorkerLost(hit) from e
                complaints.seek(0)
                said = complaints.read()[-400:].decode(errors="replace").strip() or str(e)
                raise SandboxUnavailable(self._not_started(said)) from e

    async def _ready(self, process: asyncio.subprocess.Process) -> None:
        """Waits for the zygote's first message. Raises WorkerLost.

        It also raises if only the outermost process died: the processes inside may not have been
        signalled yet, so waiting for them could take forever.
        """
        ready, gone = asyncio.create_task(self._answer()), asyncio.create_task(process.wait())
        try:
            await asyncio.wait({ready, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise WorkerLost("the sandbox's process died")
            await ready
        finally:
            ready.cancel()
            gone.cancel()

    def _not_started(self, why: str) -> str:
        return f"a sandbox of level {self.walls.level.name.lower()} did not start: {why}"

    async def _hit_by(self) -> str | None:
        """Cause that ended or stopped the process from outside; None if there is none."""
        process = self._process
        if process is None:
            return None
        try:
            async with asyncio.timeout(_END_SECONDS):
                code = await process.wait()
        except TimeoutError:
            return "it did not answer"
        # For a process inside, bubblewrap reports 128 plus the signal.
        number = -code if code < 0 else code - 128
        return f"it was ended by signal {number}" if number > 0 else None

    async def run(self, program: Program) -> Result:
        """Runs one program. Raises WorkerLost, after which this worker can only be closed."""
        self.num_runs += 1
        try:
            self._write(*encode(program))
            header, blobs = await self._answer()
        except OSError as e:
            raise WorkerLost(f"the sandbox's process died ({e})") from e
        if "failed" in header:
            raise WorkerLost(f"the sandbox could not run the program: {header['failed']}")
        return Result(
            status=Status(header["status"]),
            stdout=blobs[0],
            stderr=blobs[1],
            exit_code=header["exit_code"],
            cpu_seconds=header["cpu_seconds"],
            wall_seconds=header["wall_seconds"],
            peak_memory_mb=header["peak_memory_mb"],
            level=self.walls.level,
            companion=Status(header["companion"]) if header["companion"] else None,
        )

    async def close(self) -> None:
        """Kills the zygote and everything in it. Calling it twice is safe."""
        self._is_closed = True
        await self._release()

    async def _release(self) -> None:
        process, handle = self._process, self._handle
        self._process = self._handle = None
        if process is not None:
            init = first_inside(process.pid) if self.walls.namespaces else None
            with contextlib.suppress(ProcessLookupError):
                if handle is None:
                    process.kill()
                else:
                    # `kill` would reap a process that has died, and then asyncio's own wait would fail.
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
            if handle is not None:
                os.close(handle)
            await process.wait()
            if init is not None:
                # The kernel ends it, and everything inside it, a little later.
                await asyncio.to_thread(wait_for_end, init, _END_SECONDS)
        if self._is_connected:
            self._writer.close()
        if self._scratch is not None:
            await asyncio.to_thread(shutil.rmtree, self._scratch, ignore_errors=True)
            self._scratch = None

    @property
    def pid(self) -> int | None:
        """Id of the outermost process; None before the start."""
        return self._process.pid if self._process else None

    @property
    def zygote_pid(self) -> int:
        """Id of the process that forks; the outermost one if there are no namespaces around it.

        Raises an OSError if there is none, in a worker that is starting or ending.
        """
        assert self._process is not None
        pid = self._process.pid
        while not _is_python(pid):
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            if not children:
                raise ProcessLookupError(f"expected a zygote inside of process {pid}, got none")
            pid = int(children[0])
        return pid

    # ------------------------------------------------------------------------------- conversation

    def _write(self, header: dict[str, Any], *contents: bytes) -> None:
        encoded = json.dumps(header).encode()
        self._writer.writelines([struct.pack(">I", len(encoded)), encoded, *contents])

    async def _answer(self) -> tuple[dict[str, Any], list[bytes]]:
        """Waits for the answer. Raises WorkerLost after a silence too long for a live process."""
        try:
            while not (length := await self._next_length()):
                pass
            async with asyncio.timeout(_SILENCE_SECONDS):
                header = json.loads(await self._reader.readexactly(length))
                blobs = [await self._reader.readexactly(size) for size in header["sizes"]]
                return header, blobs
        except TimeoutError as e:
            raise WorkerLost(f"the sandbox was silent for {_SILENCE_SECONDS:g} seconds") from e
        except asyncio.IncompleteReadError as e:
            raise WorkerLost("the sandbox's process died") from e

    async def _next_length(self) -> int:
        """Length of the next answer, 0 for a sign of life. Raises TimeoutError after a long silence."""
        # In slices: a busy event loop uses up one slice, not all of the time.
        for _ in range(int(_SILENCE_SECONDS) if self.num_runs else int(_START_SECONDS)):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._writer.drain()
                    length: int = struct.unpack(">I", await self._reader.readexactly(4))[0]
                    return length
        raise TimeoutError

    # --------------------------------------------------------------------------------- the walls

    def _settings(self) -> dict[str, Any]:
        features = {name for name in ("landlock", "seccomp") if getattr(self.walls, name)}
        as_root = is_root()
        return {
            "modules": dict(self._modules),
            "preload": list(self._preload),
            "features": [*features, *(["mounts"] if self.walls.namespaces else [])],
            # As root, each worker's children get a user of their own, because rlimits apply per user.
            # A companion has the next one.
            "user_id": FIRST_USER_ID + 2 * (self.pid or 0) % USER_IDS if as_root else None,
            # Without a mount, the interpreter can be in a folder that is closed to other users, such as
            # root's home. Landlock, if available, still decides what can be read.
            "reads_as_root": as_root and not self.walls.namespaces,
            "readable": [*SYSTEM_FOLDERS, *SYSTEM_FILES, *self._folders, *DEVICES],
            "scratch": scratch_folder(self._folders) if self.walls.namespaces else self._scratch,
            # Outside a namespace the kernel counts all processes of the user towards a limit.
            "other_processes": 0 if as_root or self.walls.namespaces else num_tasks() + 256,
        }


_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/",
    "LANG": "C.UTF-8",
    # The same program must behave the same way again.
    "PYTHONHASHSEED": "0",
    # Each further allocator arena takes 64 MiB of a program's address space.
    "MALLOC_ARENA_MAX": "1",
    # BLAS threads would not survive the fork.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


def _python(descriptor: int) -> list[str]:
    # Excludes the current folder and the user's own packages.
    flags = ["-P", "-s", "-B", "-X", "utf8"]
    return [sys.executable, *flags, "-c", _BOOTSTRAP.format(descriptor=descriptor)]


def _is_python(pid: int) -> bool:
    return b"python" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]


def _own_modules() -> dict[str, str]:
    folder = Path(lock.__file__).parent
    return {
        name: (folder / f"{name}.py").read_text()
        for name in ("lock", "program", "watch", "messages", "zygote")
    }
