"""Reads a child's output, and decides when and why to kill it."""

import contextlib
import math
import mmap
import os
import select
import struct
import time
from collections.abc import Sequence
from socket import socket
from typing import Any

ALIVE_SECONDS = 1.0
_MOST_WAITING = 10.0
"""Longest wall time of a program that waits for a core, as a multiple of its wall limit."""
_LOOK_SECONDS = 0.05
_NUM_CORES = os.cpu_count() or 1
_CHUNK = 65536
PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS


class Watch:
    """Monitors a running program and its companion for the zygote.

    A child's output is kept in separate maps, which `close` returns to the kernel. In the heap it would
    still exist, freed, in children that are forked later.
    """

    def __init__(
        self,
        pids: Sequence[int],
        streams: tuple[int, int],
        limits: dict[str, Any],
        connection: socket,
    ) -> None:
        """The first of `pids` is the program, which is waited for; the other is its companion.

        `streams` are the reading ends of the program's standard output and error.
        """
        self._pids = pids
        self._room: int = limits["output_bytes"]
        self._wall_seconds: float = limits["wall_seconds"]
        self._cpu_seconds: float = limits["cpu_seconds"]
        self._connection = connection
        self._lengths = dict.fromkeys(streams, 0)
        # One byte more, to detect excess output.
        self._maps = {stream: mmap.mmap(-1, self._room + 1, flags=PRIVATE) for stream in streams}
        self._process = os.pidfd_open(pids[0])
        self._most_processes: int | None = limits["processes"] + 1 if limits["processes"] else None
        # Listing /proc is slow, so it is done only if the number is limited.
        self._own_processes = len(_processes()) - 1 if self._most_processes is not None else 0
        self._poll = select.poll()
        for descriptor in (*streams, self._process):
            self._poll.register(descriptor, select.POLLIN)

    def until_end(self) -> str:
        """Reason to kill the child; "" once it has ended by itself.

        "output": it printed too much. "cpu": its processor time is used up. "wall": its wall time is up
        and it is asleep; while it is ready to run, only its processor time counts. "starved": it got
        too little of a core for that, over a multiple of its wall limit. "stopped": its time is up, but
        something outside had stopped it for part of it. "processes": it has started too many.
        """
        start = time.monotonic()
        wall, alive = start + self._wall_seconds, start + ALIVE_SECONDS
        cpu = start + self._cpu_seconds / _NUM_CORES
        count = start if self._most_processes is not None else math.inf
        while True:
            now = time.monotonic()
            if now >= cpu:
                left = self._cpu_seconds - sum(map(_used_cpu, self._pids))
                if left <= 0:
                    return "cpu"
                # As if it had all cores from now on.
                cpu = now + max(left / _NUM_CORES, _LOOK_SECONDS)
            if now >= wall:
                reason, wall = self._look_at_wall(start, now)
                if reason:
                    return reason
            if now >= count:
                if self._has_too_many_processes():
                    return "processes"
                count = now + _LOOK_SECONDS
            if now >= alive:
                self._connection.sendall(struct.pack(">I", 0))
                alive = now + ALIVE_SECONDS
            ready = self._poll.poll(max(0.0, min(wall, cpu, alive, count) - now) * 1000 + 1)
            for descriptor, _ in ready:
                if descriptor == self._process:
                    return "" if self._drain() else "output"
                if self._read(descriptor) == 0:
                    self._poll.unregister(descriptor)
                if self._room < 0:
                    return "output"

    def _look_at_wall(self, start: float, now: float) -> tuple[str, float]:
        """Reason to kill it once its wall time is up, or "", and when to check again."""
        latest = start + _MOST_WAITING * self._wall_seconds
        waited = sum(map(_waited_for_core, self._pids))
        deadline = min(start + self._wall_seconds + waited, latest)
        if now >= deadline and not any(map(_is_runnable, self._pids)):
            return "stopped" if any(map(_was_stopped, self._pids)) else "wall", now
        return "starved" if now >= latest else "", max(deadline, now + _LOOK_SECONDS)

    def _has_too_many_processes(self) -> bool:
        """Counts processes; the kernel's own limit counts threads too, and so has to be higher.

        A program that may start processes is alone in its namespace with the zygote.
        """
        assert self._most_processes is not None
        return len(_processes()) - self._own_processes > self._most_processes

    def printed(self) -> list[memoryview]:
        """Standard output and error; release both before `close`."""
        return [memoryview(self._maps[s])[:length] for s, length in self._lengths.items()]

    def close(self) -> None:
        """Releases all resources."""
        os.close(self._process)
        for content in self._maps.values():
            content.close()

    def _read(self, stream: int) -> int:
        """Reads available output, at most one byte over the limit; returns the number of bytes."""
        start = self._lengths[stream]
        with memoryview(self._maps[stream]) as content:
            size = min(_CHUNK, self._room + 1)
            with content[start : start + size] as free:
                count = os.readv(stream, [free])
        # The excess byte is not kept.
        self._lengths[stream] += min(count, self._room)
        self._room -= count
        return count

    def _drain(self) -> bool:
        """Reads the rest from the pipes, which a process left behind by a command may hold open."""
        for stream in self._maps:
            os.set_blocking(stream, False)
            with contextlib.suppress(BlockingIOError):
                while self._read(stream):
                    if self._room < 0:
                        return False
        return True


def _processes() -> list[str]:
    return [name for name in os.listdir("/proc") if name.isdigit()]


def _is_runnable(pid: int) -> bool:
    """Whether a thread of the process has a core or waits for one (proc(5), stat).

    The kernel reports waiting only afterwards, and cannot see time that a hypervisor takes from it.
    """
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] == "R":
                    return True
    except OSError:
        # It ended during the check.
        return True
    return False


def _was_stopped(pid: int) -> bool:
    """Whether a signal has stopped this process's child, even if it has continued since."""
    try:
        return os.waitid(os.P_PID, pid, os.WSTOPPED | os.WCONTINUED | os.WNOHANG) is not None
    except ChildProcessError:
        # It has ended by now.
        return False


def _used_cpu(pid: int) -> float:
    """Seconds of processor time of all threads of the process; 0 once it is gone.

    The scheduler's own count, like that of wait4(2) (clock_getcpuclockid(3)). The kernel's limit counts
    ticks instead, and took 0.82 s for a second on a busy machine.
    """
    scheduler_clock = 2
    try:
        return time.clock_gettime((~pid << 3) | scheduler_clock)
    except OSError:
        # It has ended by now; wait4 reports its total, which the verdict uses.
        return 0.0


def _waited_for_core(pid: int) -> float:
    """Seconds for which the process was ready to run but had no core (proc(5), schedstat).

    Infinite if the kernel does not report it: the program then gets the longest possible time.
    """
    try:
        with open(f"/proc/{pid}/schedstat") as file:
            return int(file.read().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return float("inf")
