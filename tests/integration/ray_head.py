"""A Ray cluster of the test's own, started as a user starts one: by `ray start`, elsewhere."""

import contextlib
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

_OBJECT_STORE_BYTES = 256 * 2**20
_LOOK_SECONDS = 0.1


@contextlib.contextmanager
def ray_head(
    *,
    hidden: Path | None = None,
    num_cpus: int = 2,
    knows_python_path: bool = False,
    options: Sequence[str] = (),
) -> Iterator[str]:
    """The cluster's address. Its processes see an empty folder in place of `hidden`.

    They have the PYTHONPATH of the tests only if `knows_python_path`. `options` go to `ray start`.
    What joins the cluster needs `joining_environment`.
    """
    # Ray puts sockets there, and a socket's path has 107 bytes at most.
    temporary = tempfile.mkdtemp(prefix="berry-")
    port = free_port()
    command = [
        str(Path(sys.executable).parent / "ray"),
        *("start", "--head", "--block", "--disable-usage-stats", "--include-dashboard=false"),
        *(f"--num-cpus={num_cpus}", f"--port={port}", f"--temp-dir={temporary}"),
        # Two Rays with the same port of their agents: the second takes no jobs.
        f"--dashboard-agent-listen-port={free_port()}",
        f"--object-store-memory={_OBJECT_STORE_BYTES}",
        *options,
    ]
    if hidden is not None:
        script = f"mount -t tmpfs tmpfs {shlex.quote(str(hidden))} && exec {shlex.join(command)}"
        command = ["unshare", "--mount", "sh", "-c", script]
    environment = dict(os.environ)
    if not knows_python_path:
        environment.pop("PYTHONPATH", None)
    head = _start(command, Path(temporary), environment)
    try:
        yield f"127.0.0.1:{port}"
        assert head.poll() is None, "the run must leave a cluster that it joined running"
    finally:
        _end(head)
        shutil.rmtree(temporary, ignore_errors=True)


def joining_environment() -> dict[str, str]:
    """The environment of a process that joins a cluster started by `ray_head`."""
    # Where there is a token, `ray start` makes a cluster that asks for it.
    has_token = (Path.home() / ".ray" / "auth_token").exists()
    return {**os.environ, **({"RAY_AUTH_MODE": "token"} if has_token else {})}


def can_hide_folders() -> bool:
    """Whether a process can be given a mount namespace of its own here."""
    script = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs tmpfs /mnt"]
    try:
        return subprocess.run(script, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def free_port() -> int:
    """A port of loopback that nobody uses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def _start(command: list[str], folder: Path, environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    """The head's process, once it says that all of Ray has started.

    Ray gives up after half a minute, which is too little on a machine under load: then it starts again.
    """
    log = folder / "head.log"
    while True:
        with log.open("wb") as said:
            head = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=said, stderr=subprocess.STDOUT
            )
        while head.poll() is None:
            if b"Ray runtime started" in log.read_bytes():
                return head
            time.sleep(_LOOK_SECONDS)
        if b"timed out during startup" not in log.read_bytes():
            raise AssertionError(f"`ray start` ended: {log.read_text(errors='replace')[-2000:]}")


def _end(head: "subprocess.Popen[bytes]") -> None:
    children = psutil.Process(head.pid).children(recursive=True) if head.poll() is None else []
    head.kill()
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    head.wait()
