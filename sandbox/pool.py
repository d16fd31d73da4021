"""The sandbox: finds the strongest walls of this machine, and runs programs behind them.

    async with Sandbox() as sandbox:
        result = await sandbox.run(Program(code="print(6 * 7)"))

It keeps one worker for each core. A worker that was killed or stopped, or has run `recycle_after`
programs, is replaced; a worker that is hit during its start is started again. A program whose worker
was lost runs once more; after that SandboxUnavailable is raised.
"""

import asyncio
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_serializer, field_validator

from sandbox.levels import Protection, find_protection
from sandbox.records import Level, Program, Result, SandboxUnavailable, Status
from sandbox.worker import Worker, WorkerLost

USUAL_MODULES = (
    "bisect", "collections", "copy", "dataclasses", "datetime", "decimal", "enum", "fractions",
    "functools", "hashlib", "heapq", "io", "itertools", "json", "math", "operator", "queue", "random",
    "re", "statistics", "string", "sys", "threading", "time", "traceback", "typing",
)  # fmt: skip
"""Modules that programs import most; imported in advance, they cost a program nothing."""
_ATTEMPTS = 2

_log = logging.getLogger(__name__)


class SandboxConfig(BaseModel):
    """Settings for running untrusted code."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    allow_weak: bool = False
    """Continue if this machine cannot keep code from reading its files."""
    minimum_level: Level = Level.LANDLOCK
    """Weakest accepted level: `landlock`, or `namespaces` to insist on bubblewrap."""
    processes: int | None = Field(default=None, ge=1)
    """Programs that run at the same time; default: one for each core."""
    preload: tuple[str, ...] = ()
    """Modules that programs may need and that are slow to import, such as numpy."""
    readable: tuple[Path, ...] = ()
    """Further folders that programs may read and run commands from, such as a compiler's."""
    recycle_after: int = Field(default=10_000, ge=1)
    """Programs after which a worker is replaced."""

    @field_validator("readable")
    @classmethod
    def _absolute(cls, value: tuple[Path, ...]) -> tuple[Path, ...]:
        for folder in value:
            if not folder.is_absolute():
                raise ValueError(f"expected an absolute path, got {str(folder)!r}")
        return value

    @field_validator("minimum_level", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        """Accepts levels by name."""
        names = {level.name.lower(): level for level in Level}
        if isinstance(value, str) and value not in names:
            raise ValueError(f"expected one of {', '.join(names)}, got {value!r}")
        return names[value] if isinstance(value, str) else value

    @field_serializer("minimum_level")
    def _name(self, value: Level) -> str:
        return value.name.lower()


class _Closed:
    """Marks, in place of a slot, that no more slots will come."""


class Sandbox:
    """A pool of workers; used by one event loop at a time."""

    def __init__(
        self, config: SandboxConfig | None = None, *, modules: Mapping[str, str] | None = None
    ) -> None:
        """`modules` can be imported by every program: name -> trusted source."""
        self.config = config or SandboxConfig()
        self.protection: Protection | None = None
        self._modules = dict(modules or {})
        self._slots: asyncio.Queue[Worker | _Closed | None] = asyncio.Queue()
        self._ending: set[asyncio.Task[None]] = set()
        self._workers: set[Worker] = set()
        self._starting = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Finds the level and starts the workers, once. Raises SandboxUnavailable."""
        async with self._starting:
            if self.protection is not None:
                return
            config = self.config
            minimum = Level.WEAK if config.allow_weak else config.minimum_level
            protection = await find_protection(minimum)
            _log.info("programs run at level %s", protection.level.name.lower())
            num_workers = config.processes or len(os.sched_getaffinity(0))
            # A slot's worker is started by the first program that gets the slot, except for one worker,
            # which is started now to find out whether it works.
            self.protection = protection
            try:
                first = await self._start_worker()
            except BaseException:
                self.protection = None
                raise
            for worker in (first, *[None] * (num_workers - 1)):
                self._slots.put_nowait(worker)

    async def run(self, program: Program) -> Result:
        """The program's result; waits for a free worker. Raises SandboxUnavailable."""
        await self.start()
        assert self.protection is not None
        needs_namespaces = (
            program.command is not None or program.needs_own_sandbox or program.limits.files > 0
        )
        if needs_namespaces and self.protection.level < Level.NAMESPACES:
            raise SandboxUnavailable(
                "commands, and programs that start processes or write files, need namespaces: "
                "install bubblewrap, or allow user namespaces"
            )
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                result = await self._run_once(program)
            except WorkerLost as e:
                if self.protection is None:
                    raise SandboxUnavailable("the sandbox was closed") from e
                if attempt == _ATTEMPTS:
                    raise SandboxUnavailable(f"{e}, {attempt} times") from e
            else:
                if result.status is not Status.KILLED or attempt == _ATTEMPTS:
                    return result
        raise AssertionError("the loop returns or raises")

    async def close(self) -> None:
        """Kills all workers. Calling it twice is safe."""
        self._slots.put_nowait(_Closed())
        # Everything bound to this event loop is created again for the next one.
        self._slots, self._starting, self.protection = asyncio.Queue(), asyncio.Lock(), None
        await asyncio.gather(*(worker.close() for worker in list(self._workers)), *self._ending)
        self._workers.clear()

    @property
    def worker_pids(self) -> list[int]:
        """Ids of each worker's outermost process."""
        return [worker.pid for worker in self._workers if worker.pid is not None]

    async def _run_once(self, program: Program) -> Result:
        """Runs the program in the next free slot, and always frees the slot afterwards."""
        slots = self._slots
        worker = await slots.get()
        if isinstance(worker, _Closed):
            slots.put_nowait(worker)
            raise SandboxUnavailable("the sandbox was closed")
        healthy = False
        try:
            if program.needs_own_sandbox:
                return await self._run_alone(program)
            if worker is None:
                worker = await self._start_worker()
            result = await worker.run(program)
            healthy = worker.num_runs < self.config.recycle_after
            return result
        finally:
            # A worker with an unread answer would send it to the next program.
            if not healthy and not program.needs_own_sandbox and worker is not None:
                # Not awaited here: a cancellation in the meantime would lose the slot.
                ending = asyncio.create_task(self._end(worker))
                self._ending.add(ending)
                ending.add_done_callback(self._ending.discard)
                worker = None
            slots.put_nowait(worker)

    async def _run_alone(self, program: Program) -> Result:
        """Runs it in a sandbox that ends with the program and every process that it left behind."""
        assert self.protection is not None
        worker = Worker(self.protection.walls, modules=self._modules, readable=self.config.readable)
        try:
            await worker.start()
            return await worker.run(program)
        finally:
            await worker.close()

    async def _start_worker(self) -> Worker:
        assert self.protection is not None
        worker = Worker(
            self.protection.walls,
            preload=[*USUAL_MODULES, *self.config.preload],
            modules=self._modules,
            readable=self.config.readable,
        )
        self._workers.add(worker)
        try:
            await worker.start()
        except BaseException:
            await self._end(worker)
            raise
        return worker

    async def _end(self, worker: Worker) -> None:
        self._workers.discard(worker)
        await worker.close()
