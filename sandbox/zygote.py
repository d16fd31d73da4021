"""The process that runs programs: it has done the usual imports and forks a locked child for each.

It runs inside the namespaces that `worker.py` made and is trusted; its children are not. It knows one
loop: receive a program, fork, watch, answer. A child locks itself before it compiles the code, and it
inherits no descriptor but its own three.

Requests come pickled, since the driver is trusted here; answers are JSON and bytes, since nothing
that a program had a hand in may be unpickled there. An answer of length 0 says "still alive".
"""

import contextlib
import ctypes
import fcntl
import gc
import importlib
import io
import json
import math
import os
import pickle
import resource
import select
import signal
import socket
import struct
import sys
import threading
import time
import types
from typing import Any, NoReturn

from sandbox import lock

_ALIVE_SECONDS = 1.0
_MOST_WAITING = 10.0
"""A program that had to wait for a core gets at most this many times its wall limit."""
_SCRATCH = "/tmp"
_OUT_OF_MEMORY = signal.SIGUSR2
_SPARE_PROCESSES = 4
"""The zygote and the namespaces' first process, which the kernel may count too."""


def main(connection: socket.socket) -> None:
    """Serves until the other side hangs up."""
    settings = receive(connection)
    for name, source in settings["modules"].items():
        _add_module(name, source)
    for name in settings["preload"]:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    if "numpy" in sys.modules:
        importlib.import_module("numpy.random")
        _seed("numpy.random")
    # When memory is short, a program goes before anything else of this machine's.
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    gc.collect()
    gc.freeze()
    zygote = _Zygote(connection, settings)
    send(connection, {"ready": os.getpid()})
    while (request := receive(connection)) is not None:
        answer, *blobs = zygote.run(request)
        send(connection, answer, *blobs)
        # The next child is forked from here and could look through this frame.
        del answer, blobs, request
    if "mounts" not in settings["features"]:
        with contextlib.suppress(OSError):
            os.rmdir(settings["scratch"])


def _add_module(name: str, source: str) -> None:
    """Makes a module that can be imported by name, and packages around it that have nothing else."""
    package, _, last = name.rpartition(".")
    if package and package not in sys.modules:
        _add_module(package, "")
        sys.modules[package].__path__ = []
    module = sys.modules[name] = types.ModuleType(name)
    if package:
        setattr(sys.modules[package], last, module)
    exec(compile(source, f"{name}.py", "exec"), module.__dict__)


def send(connection: socket.socket, header: dict[str, Any], *blobs: bytes) -> None:
    """Sends a header and bytes."""
    encoded = json.dumps({**header, "blobs": [len(blob) for blob in blobs]}).encode()
    connection.sendall(b"".join((struct.pack(">I", len(encoded)), encoded, *blobs)))


def receive(connection: socket.socket) -> Any:
    """The next request; None when the other side has hung up."""
    length = _receive_exactly(connection, 8)
    if length is None:
        return None
    content = _receive_exactly(connection, struct.unpack(">Q", length)[0])
    return None if content is None else pickle.loads(content)


def _receive_exactly(connection: socket.socket, size: int) -> bytes | None:
    content = bytearray()
    while len(content) < size:
        chunk = connection.recv(min(size - len(content), 1 << 20))
        if not chunk:
            return None
        content += chunk
    return bytes(content)


def _seed(name: str) -> None:
    """Lets every program start from the same random state, so that its verdict can be repeated."""
    if name in sys.modules:
        sys.modules[name].seed(0)


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
        # For each (may write files, may start processes).
        self._rules = {
            (writes, processes): lock.seccomp_filter(writes=writes, processes=processes)
            for writes in (False, True)
            for processes in (False, True)
        }
        self._landlock_rules = self._landlock(writes=False, exec_allowed=False)
        if self._landlock_rules is not None:
            # Away from the numbers that a child puts its own streams on.
            self._landlock_rules = fcntl.fcntl(self._landlock_rules, fcntl.F_DUPFD_CLOEXEC, 16)
        self._others = settings["other_processes"] + _SPARE_PROCESSES

    def _landlock(self, *, writes: bool, exec_allowed: bool) -> int | None:
        """Rules for a child; those for the working folder have to be made after it was mounted."""
        if "landlock" not in self._features:
            return None
        return lock.landlock_rules(
            readable=[*self._readable, self._scratch],
            writable=[self._scratch, "/dev/null"] if writes else ["/dev/null"],
            exec_allowed=exec_allowed,
        )

    def run(self, request: dict[str, Any]) -> tuple[Any, ...]:
        """An answer's header, then standard output and error."""
        uses_scratch = request["files"] or request["file_limit"] or request["processes"]
        try:
            if uses_scratch:
                self._fill_scratch(request)
            try:
                return self._run(request)
            finally:
                if uses_scratch:
                    self._clear_scratch()
        except OSError as e:
            return ({"failed": f"{type(e).__name__}: {e}"},)

    def _run(self, request: dict[str, Any]) -> tuple[Any, ...]:
        stdin = _sealed(request["stdin"])
        out, out_end = os.pipe()
        err, err_end = os.pipe()
        locked, locked_end = os.pipe()
        start = time.monotonic()
        try:
            pid = os.fork()
        except OSError:
            for descriptor in (stdin, out, out_end, err, err_end, locked, locked_end):
                os.close(descriptor)
            raise
        if pid == 0:
            self._be_child(request, (stdin, out_end, err_end), locked_end)
        for descriptor in (stdin, out_end, err_end, locked_end):
            os.close(descriptor)
        watch = _Watch(pid, out, err, request, self._connection)
        try:
            complaint = os.read(locked, 1000)
            reason = "" if complaint != b"locked" else watch.until_end()
        finally:
            # Whatever happens here, the child does not outlive its turn.
            os.kill(pid, signal.SIGKILL)
            _, status, used = os.wait4(pid, 0)
            watch.close()
            os.close(locked)
        if complaint != b"locked":
            return ({"failed": f"the child could not be locked in: {complaint.decode()!r}"},)
        cpu_seconds = used.ru_utime + used.ru_stime
        header = {
            "status": _status(reason, os.waitstatus_to_exitcode(status), cpu_seconds, request),
            "exit_code": os.waitstatus_to_exitcode(status),
            "cpu_seconds": cpu_seconds,
            "wall_seconds": time.monotonic() - start,
            "peak_memory_mb": used.ru_maxrss / 1024,
        }
        return header, bytes(watch.outputs[out]), bytes(watch.outputs[err])

    # ---------------------------------------------------------------------------- working folder

    def _fill_scratch(self, request: dict[str, Any]) -> None:
        if "mounts" in self._features:
            lock.mount_tmpfs(
                self._scratch,
                size=request["file_bytes"] + sum(map(len, request["files"].values())) + 65536,
                # One for the folder itself.
                inodes=request["file_limit"] + len(request["files"]) + 1,
                exec_allowed=bool(request["processes"]),
            )
        for name, content in request["files"].items():
            path = f"{self._scratch}/{name}"
            with open(path, "wb") as file:
                file.write(content)
            os.chmod(path, 0o666)

    def _clear_scratch(self) -> None:
        if "mounts" in self._features:
            lock.unmount(self._scratch)
        else:
            # Without mounts a program cannot write: there is just what was laid out.
            for name in os.listdir(self._scratch):
                os.unlink(f"{self._scratch}/{name}")

    # --------------------------------------------------------------------------------- the child

    def _be_child(
        self, request: dict[str, Any], streams: tuple[int, int, int], locked: int
    ) -> NoReturn:
        """Locks itself, then becomes the program; never returns into the zygote's code."""
        try:
            for number, descriptor in enumerate(streams):
                os.dup2(descriptor, number)
            os.dup2(locked, 3)
            os.set_inheritable(3, False)
            self._lock_in(request)
            # Unlike numpy's, this state is made anew after a fork.
            _seed("random")
            # The last word of trusted code: from here on nothing of the zygote can be reached.
            os.write(3, b"locked")
            os.close(3)
        except BaseException as e:  # noqa: BLE001 - a child must not return
            with contextlib.suppress(OSError):
                os.write(3, f"{type(e).__name__}: {e}".encode()[:1000] or b"?")
            os._exit(70)
        try:
            if request["command"] is not None:
                _become_command(request["command"])
            _run_code(request["code"], request["arguments"])
        finally:
            # Whatever was raised on the way, for want of memory perhaps.
            os._exit(71)

    def _lock_in(self, request: dict[str, Any]) -> None:
        os.setsid()
        uses_scratch = request["files"] or request["file_limit"] or request["processes"]
        os.chdir(self._scratch if uses_scratch else "/")
        processes_allowed = request["processes"] > 0
        # On the machine's own disk nothing would bound what it writes.
        writes = request["file_limit"] > 0 and "mounts" in self._features
        rules = self._landlock_rules
        if uses_scratch:
            rules = self._landlock(writes=writes, exec_allowed=processes_allowed)
        lock.drop_privileges(self._user_id, reads_all=self._reads_as_root)
        lock.limit_resources(
            memory_bytes=self._mapped + request["memory_mb"] * 2**20,
            cpu_seconds=math.ceil(request["cpu_seconds"]),
            file_bytes=request["file_bytes"] if writes else 0,
            processes=self._others + 1 + request["threads"] + request["processes"],
        )
        if rules is not None:
            lock.landlock(rules)
        os.closerange(4, 1 << 20)
        if self._has_seccomp:
            lock.seccomp(self._rules[writes, processes_allowed])


class _Watch:
    """Reads what a child prints, and says why it has to be killed."""

    def __init__(
        self, pid: int, out: int, err: int, request: dict[str, Any], connection: socket.socket
    ) -> None:
        self.outputs = {out: bytearray(), err: bytearray()}
        self._pid = pid
        self._output_bytes: int = request["output_bytes"]
        self._wall_seconds: float = request["wall_seconds"]
        self._connection = connection
        self._process = os.pidfd_open(pid)
        self._poll = select.poll()
        for descriptor in (out, err, self._process):
            self._poll.register(descriptor, select.POLLIN)

    def until_end(self) -> str:
        """Why the child has to be killed: "output", "wall"; "" once it has ended by itself."""
        start = time.monotonic()
        deadline = start + self._wall_seconds
        alive = start + _ALIVE_SECONDS
        while True:
            now = time.monotonic()
            if now >= deadline:
                waited = min(_waited_for_core(self._pid), (_MOST_WAITING - 1) * self._wall_seconds)
                if now >= (deadline := start + self._wall_seconds + waited):
                    return "wall"
            if now >= alive:
                self._connection.sendall(struct.pack(">I", 0))
                alive = now + _ALIVE_SECONDS
            ready = self._poll.poll(max(0.0, min(deadline, alive) - now) * 1000 + 1)
            for descriptor, _ in ready:
                if descriptor == self._process:
                    return "" if self._drain() else "output"
                if not self._read(descriptor):
                    return "output"

    def close(self) -> None:
        for descriptor in (*self.outputs, self._process):
            os.close(descriptor)

    def _read(self, descriptor: int) -> bool:
        """Takes what there is; False once it is too much."""
        chunk = os.read(descriptor, 65536)
        if not chunk:
            self._poll.unregister(descriptor)
        room = self._output_bytes - sum(map(len, self.outputs.values()))
        self.outputs[descriptor] += chunk[:room]
        return len(chunk) <= room

    def _drain(self) -> bool:
        """What is left in the pipes; a process that a command left behind may hold them open."""
        for descriptor in self.outputs:
            os.set_blocking(descriptor, False)
            while True:
                try:
                    before = len(self.outputs[descriptor])
                    if not self._read_quietly(descriptor):
                        return False
                except BlockingIOError:
                    break
                if len(self.outputs[descriptor]) == before:
                    break
        return True

    def _read_quietly(self, descriptor: int) -> bool:
        with contextlib.suppress(KeyError):  # it was at its end before
            return self._read(descriptor)
        return True


def _status(reason: str, exit_code: int, cpu_seconds: float, request: dict[str, Any]) -> str:
    if reason == "output":
        return "output_limit"
    if reason == "wall" or cpu_seconds >= request["cpu_seconds"] or exit_code == -signal.SIGXCPU:
        return "timeout"
    if exit_code == -_OUT_OF_MEMORY:
        return "memory_limit"
    if exit_code == -signal.SIGKILL and not request["processes"]:
        # One that may start processes may also signal itself.
        return "killed"
    return "ok" if exit_code == 0 else "runtime_error"


def _waited_for_core(pid: int) -> float:
    """Seconds for which the process was ready to run but had no core (proc(5), schedstat)."""
    try:
        with open(f"/proc/{pid}/schedstat") as file:
            return int(file.read().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


def _sealed(content: bytes) -> int:
    """A descriptor to read `content` from, which cannot be written to or grow."""
    descriptor = os.memfd_create("stdin", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    add_seals, seal_all = 1033, 0xF
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.fcntl(descriptor, add_seals, seal_all) != 0:
        os.close(descriptor)
        raise OSError(ctypes.get_errno(), "the program's input cannot be sealed")
    return descriptor


# -------------------------------------------------------------------------------- the program itself


def _become_command(command: list[str]) -> NoReturn:
    try:
        os.execvpe(command[0], command, dict(os.environ))
    except (OSError, ValueError) as e:
        os.write(2, f"{command[0]}: {e}\n".encode(errors="backslashreplace"))
    os._exit(127)


def _run_code(code: str, arguments: list[str]) -> NoReturn:
    """What `python program.py` does, from compiling to the last flush."""
    exit_code = 1
    try:
        sys.stdin = io.TextIOWrapper(open(0, "rb", closefd=False), encoding="utf-8")
        sys.stdout = io.TextIOWrapper(open(1, "wb", closefd=False), encoding="utf-8")
        sys.stderr = io.TextIOWrapper(
            open(2, "wb", closefd=False),
            encoding="utf-8",
            errors="backslashreplace",
            write_through=True,
        )
        for stream, mode in ((sys.stdin, "r"), (sys.stdout, "w"), (sys.stderr, "w")):
            stream.mode = mode  # type: ignore[attr-defined, misc, unused-ignore]
        # Held here too, so that a program may wrap the streams' buffers anew.
        sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr  # type: ignore[misc]
        sys.argv = ["program.py", *arguments]
        sys.modules["__main__"] = module = types.ModuleType("__main__")
        exec(compile(code, "program.py", "exec"), module.__dict__)
        exit_code = 0
    except SystemExit as e:
        exit_code = _exit_code(e.code)
    except MemoryError:
        # A traceback would need memory.
        os.write(2, b"MemoryError\n")
        os.kill(os.getpid(), _OUT_OF_MEMORY)
    except BaseException:  # noqa: BLE001 - whatever a program raises is its end
        _report()
    exit_code = _finish() or exit_code
    os._exit(exit_code)


def _exit_code(code: object) -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return int(code) & 0xFF
    with contextlib.suppress(BaseException):
        sys.stderr.write(f"{code}\n")
    return 1


def _report() -> None:
    with contextlib.suppress(BaseException):
        sys.excepthook(*sys.exc_info())


def _finish() -> int:
    """Waits for threads, calls exit handlers and flushes, in the interpreter's own order."""
    import atexit

    try:
        getattr(threading, "_shutdown")()  # noqa: B009 - typeshed does not know it
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        if sys.__stdout__ is not None and not sys.__stdout__.closed:
            sys.__stdout__.flush()
    except SystemExit as e:
        return _exit_code(e.code)
    except BaseException:  # noqa: BLE001 - a broken pipe or a handler's own error
        return 1
    return 0
