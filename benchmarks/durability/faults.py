"""The faults that a campaign injects.

A fault is done to a campaign and may leave something to undo later: a stopped process goes on, a full
disk is emptied. `is_over` then says when nothing of it is felt any more.
"""

import contextlib
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import psutil

from benchmarks.durability.nodes import KINDS, Nodes

_UNDO_SECONDS = 6.0
"""Time for which a process is stopped: twice the time after which it counts as lost."""
_HANG_SECONDS = 2.0


class Target(Protocol):
    """What faults are done to."""

    chance: random.Random
    nodes: Nodes
    hang_file: Path
    disk: Path | None
    """A file system of its own with the run folder; None without one."""

    def signal_driver(self, number: int) -> None:
        """Sends the driver a signal; a driver that ends is started again."""
        ...

    def restart_nodes(self) -> None:
        """Starts a cluster in the place of the present one, and then the driver."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """What ends a fault, after a time."""

    seconds: float
    act: Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A kind of fault."""

    name: str
    inject: Callable[[Target], Undo | None]
    """Does it. Raises NotNow if there is nothing to do it to."""
    of_driver: bool = False
    """Whether the driver ends with it: the run has recovered once another one has committed."""


class NotNow(Exception):
    """Nothing is there that could fail, such as a worker while all are being replaced."""


def _victim(target: Target, kind: str) -> psutil.Process:
    if not (found := target.nodes.actors(kind)):
        raise NotNow
    return target.chance.choice(found)


def _kill(kind: str) -> Callable[[Target], None]:
    return lambda target: _victim(target, kind).kill()


def _stop(kind: str) -> Callable[[Target], Undo]:
    def stop(target: Target) -> Undo:
        process = _victim(target, kind)
        process.suspend()
        return Undo(seconds=_UNDO_SECONDS, act=lambda: _go_on([process]))

    return stop


def _go_on(processes: list[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()


def _freeze_node(target: Target) -> Undo:
    """A node that nobody can reach for a while: its workers come back after their leases have gone."""
    processes = target.nodes.node_processes(target.chance.randrange(8))
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.suspend()
    return Undo(seconds=_UNDO_SECONDS, act=lambda: _go_on(processes))


def _hang(target: Target) -> Undo:
    target.hang_file.touch()
    return Undo(seconds=_HANG_SECONDS, act=lambda: target.hang_file.unlink(missing_ok=True))


def _fill(target: Target) -> Undo:
    if target.disk is None:
        raise NotNow
    filler = target.disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(2**16))
    with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
        while True:
            file.write(bytes(512))
    return Undo(seconds=4.0, act=lambda: filler.unlink(missing_ok=True))


def _signal(number: int) -> Callable[[Target], None]:
    return lambda target: target.signal_driver(number)


def _head(target: Target) -> None:
    target.nodes.kill_head()
    target.restart_nodes()


def _of_actors() -> list[Fault]:
    return [
        fault
        for kind in KINDS
        for fault in (
            Fault(name=f"{kind} killed", inject=_kill(kind)),
            Fault(name=f"{kind} stopped for {_UNDO_SECONDS:.0f} s", inject=_stop(kind)),
        )
    ]


FAULTS = {
    fault.name: fault
    for fault in [
        *_of_actors(),
        Fault(name=f"verifier hangs for {_HANG_SECONDS:.0f} s", inject=_hang),
        Fault(
            name="node killed", inject=lambda target: target.nodes.kill_node(target.chance.randrange(8))
        ),
        Fault(name=f"node frozen for {_UNDO_SECONDS:.0f} s", inject=_freeze_node),
        Fault(name="driver killed", inject=_signal(signal.SIGKILL), of_driver=True),
        Fault(name="driver interrupted", inject=_signal(signal.SIGINT), of_driver=True),
        Fault(name="driver terminated", inject=_signal(signal.SIGTERM), of_driver=True),
        Fault(name="head killed", inject=_head, of_driver=True),
        Fault(name="disk full for 4 s", inject=_fill, of_driver=True),
    ]
}


@dataclass(slots=True, kw_only=True)
class Injected:
    """A fault that was done."""

    name: str
    at: float
    """Monotonic seconds."""
    undo_at: float | None = None
    act: Callable[[], None] = field(default=lambda: None)
    commits: int = 0
    """Commits by then."""
    driver: int = 0
    """Number of drivers started by then."""
    seconds: float | None = None
    """Time until the run had recovered; None before."""
