"""Information on processes from the kernel: children, ends, threads."""

import contextlib
import os
import select
from pathlib import Path


def first_inside(pid: int) -> int | None:
    """A descriptor of bubblewrap's child, the namespaces' first process; None if there is none."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return os.pidfd_open(int(children[0])) if children else None
    except OSError:
        # It has ended, so there is nothing to wait for.
        return None


def wait_for_end(process: int, seconds: float) -> None:
    """Waits until the process ends or the time is up, and closes its pidfd `process`."""
    try:
        poll = select.poll()
        poll.register(process, select.POLLIN)
        poll.poll(seconds * 1000)
    finally:
        os.close(process)


def num_tasks() -> int:
    """Threads of all processes of this user."""
    own = os.geteuid()
    count = 0
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                if folder.stat().st_uid == own:
                    count += sum(1 for _ in (folder / "task").iterdir())
    return count
