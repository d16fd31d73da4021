"""A Ray cluster of the test's own, started as a user starts one: by `ray start`, elsewhere."""

import contextlib
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.patience import wait_until


@contextlib.contextmanager
def ray_head(monkeypatch: pytest.MonkeyPatch, hidden: Path | None = None) -> Iterator[str]:
    """The cluster's address. Its processes see an empty folder in place of `hidden`."""
    # Ray puts sockets there, and a socket's path has 107 bytes at most.
    temporary = tempfile.mkdtemp(prefix="berry-")
    port = _free_port()
    command = [
        str(Path(sys.executable).parent / "ray"),
        *("start", "--head", "--block", "--disable-usage-stats", "--include-dashboard=false"),
        *("--num-cpus=2", f"--port={port}", f"--temp-dir={temporary}"),
    ]
    if hidden is not None:
        script = f"mount -t tmpfs tmpfs {shlex.quote(str(hidden))} && exec {shlex.join(command)}"
        command = ["unshare", "--mount", "sh", "-c", script]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    head = subprocess.Popen(
        command, cwd=temporary, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: _answers(port), head)
        if (Path.home() / ".ray" / "auth_token").exists():
            # With a token at hand `ray start` wants it from everybody.
            monkeypatch.setenv("RAY_AUTH_MODE", "token")
        yield f"127.0.0.1:{port}"
        assert head.poll() is None, "the run must leave a cluster that it joined running"
    finally:
        _end(head)
        shutil.rmtree(temporary, ignore_errors=True)


def can_hide_folders() -> bool:
    """Whether a process can be given a mount namespace of its own here."""
    script = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs tmpfs /mnt"]
    try:
        return subprocess.run(script, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _end(head: "subprocess.Popen[bytes]") -> None:
    children = psutil.Process(head.pid).children(recursive=True) if head.poll() is None else []
    head.kill()
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    head.wait()
