"""The `berry` command in processes of their own that are forked from one with the libraries loaded.

Loading them takes 1.5 to 4 seconds of a processor, longer than most commands that tests call. A forked
process differs from a new one only in that: it has its own folder, arguments, output and exit status,
and ends as Python ends. All have the environment that `Forks` was made with, as some libraries read
theirs when they are loaded.

As a script, this file is the process that forks.
"""

import contextlib
import gc
import importlib
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

PROGRAM = Path(sys.executable).parent / "berry"
_LOADED = ("ray", "reasoning_gym", "pipeline.run", "pipeline.inspection.report.page")
"""What a run imports late, besides what the command line does itself."""


class Forks:
    """Starts a process with the libraries loaded, and has it fork for each command."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        # A socket's path has 107 bytes at most.
        self._folder = Path(tempfile.mkdtemp(prefix="berry-"))
        path = self._folder / "socket"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            self._path = str(path)
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(listener.fileno())],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                env=environment,
                pass_fds=[listener.fileno()],
            )

    def run(self, folder: Path, arguments: list[str]) -> "subprocess.CompletedProcess[str]":
        """What became of the `berry` command in this folder."""
        with tempfile.TemporaryDirectory(dir=self._folder) as said:
            out, err = Path(said, "out"), Path(said, "err")
            request = {"folder": str(folder), "arguments": arguments, "out": str(out), "err": str(err)}
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(self._path)
                connection.sendall(json.dumps(request).encode() + b"\n")
                status = _status(connection)
            command = [str(PROGRAM), *arguments]
            return subprocess.CompletedProcess(command, status, _text(out), _text(err))

    def close(self) -> None:
        """Ends the process that forks."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


def _status(connection: socket.socket) -> int:
    """The exit status of the forked process, which is killed if nobody waits for it any more."""
    with connection.makefile() as lines:
        process = int(lines.readline())
        try:
            return int(lines.readline())
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
            raise


def _text(path: Path) -> str:
    # As `subprocess` reads text, with its line ends.
    return path.read_text(encoding="utf-8")


def _connections(listener: socket.socket) -> Iterator[socket.socket]:
    """Connections, until whoever started this process closes its input or ends."""
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        selector.register(sys.stdin, selectors.EVENT_READ)
        while True:
            ready = [key.fileobj for key, _ in selector.select()]
            if sys.stdin in ready:
                return
            yield listener.accept()[0]


def _forked(connection: socket.socket) -> bool:
    """True in a new process that is the command; the process that calls this waits for it and ends."""
    with connection, connection.makefile() as lines:
        request = json.loads(lines.readline())
        if process := os.fork():
            connection.sendall(b"%d\n" % process)
            _, status = os.waitpid(process, 0)
            connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
            return False
    os.chdir(request["folder"])
    flags = os.O_WRONLY | os.O_CREAT
    for number, file, mode in [
        (0, os.devnull, os.O_RDONLY),
        (1, request["out"], flags),
        (2, request["err"], flags),
    ]:
        opened = os.open(file, mode)
        os.dup2(opened, number)
        os.close(opened)
    sys.argv = [str(PROGRAM), *request["arguments"]]
    return True


def _serve(listener: socket.socket) -> None:
    """Forks for each connection. Returns in the process that is to be the command, and at the end."""
    for connection in _connections(listener):
        _reap()
        if os.fork() == 0:
            listener.close()
            if _forked(connection):
                return
            os._exit(0)
        connection.close()
    _reap()
    raise SystemExit(0)


def _reap() -> None:
    """Takes notice of ended children, which wait for a command each."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _make_ray_small() -> None:
    """Leaves out what a Ray starts beside its nodes and berry does not use: the autoscaler, the
    dashboard and the forwarding of logs take 4 seconds of a processor at each start."""
    from ray._private import node, parameter

    init: Any = parameter.RayParams.__init__

    def without(params: Any, *arguments: object, **options: object) -> None:
        init(params, *arguments, **options)
        params.no_monitor, params.include_log_monitor = True, False

    patch.object(parameter.RayParams, "__init__", without).start()
    patch.object(node.Node, "start_api_server", lambda *_, **__: None).start()


if __name__ == "__main__":
    # As in the program that pip makes of the console script.
    sys.path[0] = str(PROGRAM.parent)
    from pipeline.cli.app import main, set_ray_defaults

    set_ray_defaults()
    for _name in _LOADED:
        importlib.import_module(_name)
    _make_ray_small()
    gc.freeze()
    _serve(socket.socket(fileno=int(sys.argv[1])))
    main()
