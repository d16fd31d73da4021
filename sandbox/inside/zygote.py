"""The process that runs programs: it has done the usual imports and forks a locked child for each.

It runs inside the namespaces that `worker.py` made and is trusted; its children are not. Its only loop
is: receive a program, fork, monitor, answer. A child locks itself down before it compiles the code, and
inherits no descriptors but its own.

A child is a copy of the zygote, freed memory included. So the zygote's heap never contains a program,
its input or its output: they are in separate maps, which are unmapped before the next fork.

Messages are JSON and bytes: a length, a header, the contents. An answer of length 0 says "still alive".
"""

import contextlib
import fcntl
import gc
import importlib
import itertools
import json
import math
import mmap
import os
import resource
import signal
import socket
import sys
import time
import types
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, NoReturn

from sandbox.inside import lock
from sandbox.inside.messages import receive_header, receive_into, sealed, send, write
from sandbox.inside.program import OUT_OF_MEMORY, allow_depth, become_command, run_code
from sandbox.inside.watch import PRIVATE, Watch

_LOCKED = 3
"""Descriptor on which a child reports that it is locked down."""
_SHARED_MEMORY = "/dev/shm"
"""Folder where the C library keeps the semaphores with which processes synchronize."""
_SPARE_PROCESSES = 4
"""The zygote and the namespaces' first process, which the kernel may count too."""


def main(connection: socket.socket) -> None:
    """Serves until the other side closes the connection."""
    settings = receive_header(connection)
    assert settings is not None
    for name, source in settings["modules"].items():
        _add_module(name, source)
    for name in settings["preload"]:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    if "numpy" in sys.modules:
        importlib.import_module("numpy.random")
        _seed("numpy.random")
    # When memory runs short, a program should die before anything else on the machine.
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
    allow_depth()
    gc.collect()
    gc.freeze()
    zygote = _Zygote(connection, settings)
    send(connection, {"ready": os.getpid()})
    try:
        while (request := receive_header(connection)) is not None:
            with mmap.mmap(-1, max(1, request["size"]), flags=PRIVATE) as contents:
                receive_into(connection, contents, request["size"])
                zygote.answer(request, contents)
    finally:
        # Even if the process that should have removed it was killed.
        if "mounts" not in settings["features"]:
            with contextlib.suppress(OSError):
                os.rmdir(settings["scratch"])


def _add_module(name: str, source: str) -> None:
    """Makes a module that can be imported by name, in empty packages."""
    package, _, last = name.rpartition(".")
    if package and package not in sys.modules:
        _add_module(package, "")
        sys.modules[package].__path__ = []
    module = sys.modules[name] = types.ModuleType(name)
    if package:
        setattr(sys.modules[package], last, module)
    exec(compile(source, f"{name}.py", "exec"), module.__dict__)


def _seed(name: str) -> None:
    """Starts every program from the same random state, so that its verdict is reproducible."""
    if name in sys.modules:
        sys.modules[name].seed(0)


class _Child:
    """A forked child, and how it ended."""

    def __init__(self, pid: int, locked: int) -> None:
        self.pid = pid
        self._locked = locked
        self._end: _End | None = None

    def complaint(self) -> bytes:
        """`locked`, or the reason why it could not lock itself down."""
        return os.read(self._locked, 1000)

    def end(self) -> "_End":
        """Kills it if it is still running. Calling it twice is safe."""
        if self._end is None:
            running = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
            os.kill(self.pid, signal.SIGKILL)
            _, status, used = os.wait4(self.pid, 0)
            os.close(self._locked)
            exit_code = os.waitstatus_to_exitcode(status)
            # A child about to end keeps its own status: its channel closes before waitid reports it.
            self._end = _End(exit_code, used, running and exit_code == -signal.SIGKILL)
        return self._end


class _End(NamedTuple):
    """How a child ended."""

    exit_code: int
    used: resource.struct_rusage
    was_running: bool
    """Whether it was running until it was killed here."""


class _Zygote:
    def __init__(self, connection: socket.socket, settings: dict[str, Any]) -> None:
        self._connection = connection
        self._user_id: int | None = settings["user_id"]
        self._reads_as_root: bool = settings["reads_as_root"]
        self._features: frozenset[str] = frozenset(settings["features"])
        self._readable: list[str] = settings["readable"]
        self._scratch: str = settings["scratch"]
        with open("/proc/self/statm") as statm:
            self._mapped = int(statm.read().split()[0]) * resource.getpagesize()
        self._has_seccomp = "seccomp" in self._features
        # By (may write files, may start processes, may become a command).
        self._rules = {
            rights: lock.seccomp_filter(writes=rights[0], processes=rights[1], execs=rights[2])
            for rights in itertools.product((False, True), repeat=3)
        }
        self._landlock_rules = self._landlock(writes=False, exec_allowed=False)
        if self._landlock_rules is not None:
            # Above the numbers to which a child moves its own streams.
            self._landlock_rules = fcntl.fcntl(self._landlock_rules, fcntl.F_DUPFD_CLOEXEC, 16)
        self._others = settings["other_processes"] + _SPARE_PROCESSES

    def _landlock(self, *, writes: bool, exec_allowed: bool, processes: bool = False) -> int | None:
        """Rules for a child; those for the working folder require that it is mounted."""
        if "landlock" not in self._features:
            return None
        return lock.landlock_rules(
            readable=[*self._readable, self._scratch],
            writable=["/dev/null", *self._own_folders(processes)] if writes else ["/dev/null"],
            exec_allowed=exec_allowed,
        )

    def _own_folders(self, processes: bool) -> list[str]:
        """Folders that a child may write to, if it may write at all."""
        return [self._scratch, *([_SHARED_MEMORY] if processes else [])]

    def answer(self, request: dict[str, Any], contents: mmap.mmap) -> None:
        """Runs a program and sends its result.

        `contents` is the concatenation of the program as JSON, its input and its files.
        """
        try:
            if _uses_scratch(request):
                self._fill_scratch(request, contents)
            try:
                self._run(request, contents)
            finally:
                if _uses_scratch(request):
                    self._clear_scratch()
        except OSError as e:
            send(self._connection, {"failed": f"{type(e).__name__}: {e}"})

    def _run(self, request: dict[str, Any], contents: mmap.mmap) -> None:
        start = time.monotonic()
        stdin = sealed(contents, request["stdin"])
        out, out_end = os.pipe()
        err, err_end = os.pipe()
        children: list[_Child] = []
        watch: Watch | None = None
        try:
            try:
                children.extend(self._fork_all(request, contents, (stdin, out_end, err_end)))
            finally:
                for descriptor in (stdin, out_end, err_end):
                    os.close(descriptor)
            watch = Watch([child.pid for child in children], (out, err), request, self._connection)
            complaints = [child.complaint() for child in children]
            if any(complaint != b"locked" for complaint in complaints):
                raise OSError(f"the child could not lock itself down: {complaints}")
            reason = watch.until_end()
            header = _header([child.end() for child in children], reason, request)
            header["wall_seconds"] = time.monotonic() - start
            printed = watch.printed()
            send(self._connection, header, printed)
            for content in printed:
                content.release()
        finally:
            # In any case, no child outlives this request.
            for child in children:
                child.end()
            if watch is not None:
                watch.close()
            for descriptor in (out, err):
                os.close(descriptor)

    def _fork_all(
        self, request: dict[str, Any], contents: mmap.mmap, streams: tuple[int, int, int]
    ) -> Iterator[_Child]:
        """The program, and its companion with a socket between them."""
        if request["companion"] is None:
            yield self._fork(request, contents, streams)
            return
        ours, its = socket.socketpair()
        with ours, its, open("/dev/null", "r+b", buffering=0) as nowhere:
            yield self._fork(request, contents, streams, ours.fileno())
            beside = {**request, "program": request["companion"]}
            user_id = None if self._user_id is None else self._user_id + 1
            yield self._fork(beside, contents, (nowhere.fileno(),) * 3, its.fileno(), user_id)

    def _fork(
        self,
        request: dict[str, Any],
        contents: mmap.mmap,
        streams: tuple[int, int, int],
        channel: int | None = None,
        user_id: int | None = None,
    ) -> _Child:
        locked, locked_end = os.pipe()
        try:
            pid = os.fork()
        except OSError:
            os.close(locked)
            raise
        else:
            if pid == 0:
                self._be_child(request, contents, (*streams, locked_end, channel), user_id)
        finally:
            os.close(locked_end)
        return _Child(pid, locked)

    # ---------------------------------------------------------------------------- working folder

    def _fill_scratch(self, request: dict[str, Any], contents: mmap.mmap) -> None:
        if "mounts" in self._features:
            lock.mount_tmpfs(
                self._scratch,
                size=request["file_bytes"] + sum(e - b for b, e in request["files"].values()) + 65536,
                # One for the folder itself.
                inodes=request["file_limit"] + len(request["files"]) + 1,
                exec_allowed=bool(request["processes"] or request["becomes_command"]),
            )
            if request["processes"] and request["file_limit"]:
                # Removed together with the sandbox, which such a program has to itself.
                size, inodes = request["file_bytes"], request["file_limit"] + 1
                lock.mount_tmpfs(_SHARED_MEMORY, size=size, inodes=inodes, exec_allowed=False)
        for name, (begin, end) in request["files"].items():
            path = f"{self._scratch}/{name}"
            with open(path, "wb", buffering=0) as file:
                write(file.fileno(), contents, begin, end)
            os.chmod(path, 0o666)

    def _clear_scratch(self) -> None:
        if "mounts" in self._features:
            lock.unmount(self._scratch)
        else:
            # Without mounts a program cannot write: only the given files are here.
            for name in os.listdir(self._scratch):
                os.unlink(f"{self._scratch}/{name}")

    # --------------------------------------------------------------------------------- the child

    def _be_child(
        self,
        request: dict[str, Any],
        contents: mmap.mmap,
        descriptors: tuple[int, int, int, int, int | None],
        user_id: int | None,
    ) -> NoReturn:
        """Locks itself down, then becomes the program; never returns into the zygote's code.

        `descriptors` are its standard streams, the one on which it reports that it is locked, and its
        channel.
        """
        try:
            own = [d for d in descriptors if d is not None]
            # First moves them above their final numbers: one's number can be another's target.
            own = [d if d >= len(own) else fcntl.fcntl(d, fcntl.F_DUPFD, 16) for d in own]
            for number, descriptor in enumerate(own):
                os.dup2(descriptor, number)
            os.set_inheritable(_LOCKED, False)
            self._lock_in(request, num_descriptors=len(own), user_id=user_id or self._user_id)
            # Unlike numpy's, this state is not inherited by a fork.
            _seed("random")
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            # The last step of trusted code: after it nothing of the zygote is reachable.
            os.write(_LOCKED, b"locked")
            os.close(_LOCKED)
        except BaseException as e:  # noqa: BLE001 - a child must not return
            with contextlib.suppress(OSError):
                os.write(_LOCKED, f"{type(e).__name__}: {e}".encode()[:1000] or b"?")
            os._exit(70)
        try:
            program = json.loads(contents[slice(*request["program"])])
            # The remainder belongs to others: a companion must not see what its program reads.
            contents.close()
            if program["command"] is not None:
                become_command(program["command"])
            run_code(program["code"], program["arguments"])
        finally:
            # Any exception before that, for example because memory ran out.
            os._exit(71)

    def _lock_in(self, request: dict[str, Any], *, num_descriptors: int, user_id: int | None) -> None:
        os.setsid()
        if request["companion"] is not None:
            # The two are different users, and share the files that they write.
            os.umask(0)
        os.chdir(self._scratch if _uses_scratch(request) else "/")
        processes_allowed, execs = request["processes"] > 0, request["becomes_command"]
        # On the machine's own disk nothing would limit what it writes.
        writes = request["file_limit"] > 0 and "mounts" in self._features
        rules = self._landlock_rules
        if _uses_scratch(request):
            rules = self._landlock(
                writes=writes, exec_allowed=processes_allowed or execs, processes=processes_allowed
            )
        lock.drop_privileges(user_id, reads_all=self._reads_as_root)
        lock.limit_resources(
            memory_bytes=self._mapped + request["size"] + request["memory_mb"] * 2**20,
            # For a command's children, which the watch does not see: this count can be far off.
            cpu_seconds=2 * math.ceil(request["cpu_seconds"]) + 1,
            file_bytes=request["file_bytes"] if writes else 0,
            processes=self._others + 1 + request["threads"] + request["processes"],
        )
        if rules is not None:
            lock.landlock(rules)
        os.closerange(num_descriptors, 1 << 20)
        if self._has_seccomp:
            lock.seccomp(self._rules[writes, processes_allowed, execs])


def _header(ends: Sequence[_End], reason: str, request: dict[str, Any]) -> dict[str, Any]:
    """The answer's header: how the program and its companion ended."""
    program, *beside = ends
    cpu_seconds = sum(end.used.ru_utime + end.used.ru_stime for end in ends)
    statuses = [_exit_status(end.exit_code, request) for end in ends]
    if reason or cpu_seconds >= request["cpu_seconds"]:
        statuses[0] = _reason_status(reason, request)
    elif any(_exit_status(end.exit_code, request) == "killed" for end in beside if not end.was_running):
        statuses[0] = "killed"
    companion = None
    if beside:
        companion = "ok" if beside[0].was_running else statuses[1]
    return {
        "status": statuses[0],
        "companion": companion,
        "exit_code": program.exit_code,
        "cpu_seconds": cpu_seconds,
        "peak_memory_mb": max(end.used.ru_maxrss for end in ends) / 1024,
    }


def _reason_status(reason: str, request: dict[str, Any]) -> str:
    if reason == "output":
        return "output_limit"
    # A program that may start processes may also signal itself, or starve itself of a core.
    if reason in ("starved", "stopped") and not request["processes"]:
        return "killed"
    return "runtime_error" if reason == "processes" else "timeout"


def _exit_status(exit_code: int, request: dict[str, Any]) -> str:
    if exit_code == -OUT_OF_MEMORY:
        return "memory_limit"
    if exit_code == -signal.SIGKILL and not request["processes"]:
        return "killed"
    return "ok" if exit_code == 0 else "runtime_error"


def _uses_scratch(request: dict[str, Any]) -> bool:
    return bool(
        request["files"] or request["file_limit"] or request["processes"] or request["becomes_command"]
    )
