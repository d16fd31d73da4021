"""`python -m sandbox.selfcheck`: runs every attack at every level that this machine supports.

    python -m sandbox.selfcheck                     all levels but the weak ones
    python -m sandbox.selfcheck --level landlock    one level

The exit status is 0 only if every attack failed at each level tried, and at least one level was tried.
"""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from sandbox.attacks import ATTACKS, SECRET
from sandbox.levels import candidates, got_through
from sandbox.records import Level, Limits, Program, SandboxUnavailable
from sandbox.worker import Walls, Worker, WorkerLost


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Result of one attack."""

    level: Level
    attack: str
    held: bool


async def check(walls: Walls) -> AsyncIterator[Check]:
    """Runs every attack. Raises SandboxUnavailable if this machine cannot provide these walls."""
    os.environ.setdefault(SECRET, f"{SECRET} of the process that runs the check")
    worker = Worker(walls)
    try:
        await worker.start()
        for attack in ATTACKS:
            try:
                held = not await got_through(worker, attack)
            except WorkerLost:
                # It brought down the worker that should have held it.
                held = False
                await worker.close()
                worker = Worker(walls)
                await worker.start()
            yield Check(level=walls.level, attack=attack.name, held=held)
    finally:
        await worker.close()
    for name, signal_number in (("dead", signal.SIGKILL), ("stopped", signal.SIGSTOP)):
        held = await _is_missed(walls, signal_number)
        yield Check(level=walls.level, attack=f"a {name} worker", held=held)
    if walls.namespaces:
        held = not await _outlives_its_turn(walls)
        yield Check(level=walls.level, attack="a command's daemon outlives its turn", held=held)


async def _is_missed(walls: Walls, signal_number: int) -> bool:
    """Whether a worker that gets the signal in mid-run is detected, instead of waited for."""
    worker = Worker(walls)
    await worker.start()
    try:
        running = asyncio.create_task(worker.run(Program(code="import time; time.sleep(30)")))
        await _has_child(worker.zygote_pid)
        os.kill(worker.zygote_pid, signal_number)
        async with asyncio.timeout(25):
            await running
    except WorkerLost:
        return True
    except TimeoutError:
        pass
    finally:
        await worker.close()
    return False


async def _has_child(pid: int) -> None:
    """Waits until the process has forked."""
    while True:
        with open(f"/proc/{pid}/task/{pid}/children") as children:  # noqa: ASYNC230, PTH123 - proc(5) does not block
            if children.read():
                return
        # The kernel has no notification for a fork.
        await asyncio.sleep(0.01)


async def _outlives_its_turn(walls: Walls) -> bool:
    worker = Worker(walls)
    await worker.start()
    mark = f"123456.{os.getpid()}"
    command = ("/bin/sh", "-c", f"(setsid sleep {mark} >/dev/null 2>&1 &) ; exit 0")
    await worker.run(Program(command=command, limits=Limits(processes=8)))
    await worker.close()
    return any(mark in line for line in _command_lines())


def _command_lines() -> list[str]:
    lines = []
    for process in Path("/proc").iterdir():
        try:
            lines.append((process / "cmdline").read_text(errors="replace"))
        except OSError:
            continue
    return lines


async def _main(levels: list[Level]) -> int:
    tried, failed = 0, 0
    for walls in candidates():
        if walls.level not in levels:
            continue
        print(f"{walls.level.name.lower()}:", flush=True)
        count = 0
        try:
            async for one in check(walls):
                count += 1
                if not one.held:
                    failed += 1
                    print(f"  GOT THROUGH  {one.attack}", flush=True)
        except SandboxUnavailable as e:
            print(f"  not on this machine: {e}")
            continue
        tried += 1
        print(f"  {count} attacks tried", flush=True)
    if not tried:
        print("no level could be tried; `berry doctor` says what to install", file=sys.stderr)
    return 1 if failed or not tried else 0


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.selfcheck", description=__doc__)
    names = [level.name.lower() for level in Level]
    parser.add_argument("--level", choices=names, action="append", help="may be given several times")
    chosen = parser.parse_args().level or ["namespaces", "landlock"]
    raise SystemExit(asyncio.run(_main([Level[name.upper()] for name in chosen])))


if __name__ == "__main__":
    main()
