"""The lock of a run folder: one writer at a time.

On a local file system, the kernel locks `.lock`; the lock ends with the process. A store has no locks:
there `.lock` is an object that names its owner and is renewed every `RENEW_SECONDS`. It counts for
`STALE_SECONDS`, so the clocks of machines that write to the same folder must agree within a minute.
"""

import fcntl
import json
import logging
import os
import socket
import threading
import time
import uuid
from pathlib import Path
from typing import Any, Protocol

import psutil

from pipeline.errors import named
from pipeline.files.storage import FolderError, StorageError, delete, is_local, publish, read_bytes

_log = logging.getLogger(__name__)
_WAITS = (0.02, 0.1)
RENEW_SECONDS, STALE_SECONDS = 20.0, 90.0
_SETTLE_SECONDS = 0.5
"""Two processes that take the lock of a store at once have both written it by then."""


class Lock(Protocol):
    """A held lock."""

    def check(self) -> None:
        """Raises StorageError if another process has taken the lock over."""
        ...

    def close(self) -> None:
        """Releases the lock; calling it twice is fine."""
        ...


def lock_folder(path: Path) -> Lock:
    """Locks the folder for one writer.

    Raises FolderError if another process has the lock, and OSError.
    """
    return _FileLock(path) if is_local(path) else _StoreLock(path)


def has_writer(path: Path) -> bool | None:
    """Whether a process is writing to the folder; None if unknown."""
    if not is_local(path):
        try:
            found = _read(path / ".lock")
        except OSError:
            return None
        return found is not None and _is_alive(found)
    try:
        with (path / ".lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError) as e:
        return isinstance(e, BlockingIOError)
    except OSError:
        return None
    return False


class _FileLock:
    def __init__(self, path: Path) -> None:
        self._file = (path / ".lock").open("w")
        for wait_seconds in (*_WAITS, None):
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as e:
                if wait_seconds is None:
                    self._file.close()
                    raise FolderError(f"{path}: another run is writing to this folder") from e
                # `has_writer` holds the lock for a moment.
                time.sleep(wait_seconds)
            else:
                return

    def check(self) -> None:
        """The kernel gives the lock to nobody else."""

    def close(self) -> None:
        self._file.close()


class _StoreLock:
    """Renewed by a thread, which waits for the next renewal and is woken by `close`."""

    def __init__(self, path: Path) -> None:
        self._folder, self._path = path, path / ".lock"
        self._owner = uuid.uuid4().hex
        self._lost = False
        self._closed = threading.Event()
        self._refuse_other()
        self._write()
        time.sleep(_SETTLE_SECONDS)
        self._refuse_other()
        self._thread = threading.Thread(target=self._renew, name="lock of the store", daemon=True)
        self._thread.start()

    def check(self) -> None:
        if self._lost:
            raise StorageError(
                f"{self._folder}: another run has taken over this folder while this one was held up; "
                "what it committed is saved"
            )

    def close(self) -> None:
        if self._closed.is_set():
            return
        self._closed.set()
        self._thread.join()
        found = None if self._lost else _read(self._path)
        if found is not None and found.get("owner") == self._owner:
            delete(self._path)

    def _refuse_other(self) -> None:
        found = _read(self._path)
        if found is None or found.get("owner") == self._owner or not _is_alive(found):
            return
        age = time.time() - found["renewed"]
        raise FolderError(
            f"{self._folder}: another run is writing to this folder (process {found.get('pid')} on "
            f"{found.get('host')}, seen {age:.0f} s ago); if it has ended, wait "
            f"{STALE_SECONDS - age:.0f} s"
        )

    def _write(self) -> None:
        content = {
            "owner": self._owner,
            "renewed": time.time(),
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "processes": _processes(),
        }
        publish(self._path, json.dumps(content).encode())

    def _renew(self) -> None:
        while not self._closed.wait(RENEW_SECONDS):
            try:
                found = _read(self._path)
                if found is not None and found.get("owner") != self._owner:
                    self._lost = True
                    _log.error("another run has taken over %s", self._folder)
                    return
                self._write()
            except OSError as e:
                # The next renewal may succeed; if none does, the next commit fails as well.
                _log.warning("the lock of %s could not be renewed: %s", self._folder, named(e))


def _read(path: Path) -> dict[str, Any] | None:
    """Content of a store's lock; None without a sound one."""
    try:
        found = json.loads(read_bytes(path))
    except (FileNotFoundError, ValueError):
        return None
    is_sound = isinstance(found, dict) and isinstance(found.get("renewed"), int | float)
    return found if is_sound else None


def _is_alive(lock: dict[str, Any]) -> bool:
    """Whether the owner has renewed the lock lately and, if it ran here, still runs."""
    here = lock.get("processes") == _processes()
    ended = here and not psutil.pid_exists(int(lock.get("pid") or 0))
    return not ended and time.time() - lock["renewed"] < STALE_SECONDS


def _processes() -> str:
    """Identifies the processes that a number may name: this boot of this machine, and the container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return uuid.uuid4().hex  # unlike any other
