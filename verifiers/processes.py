"""Runs any verifier in processes of its own, by one setting: `processes: N` in its section.

For verifiers that compute: N of them judge at the same time, the event loop stays free, and one
response can neither take longer than `process_seconds` nor more than `process_memory_mb`. Over a limit
its process is killed and replaced; if that happens again in the fresh one, the verdict is ERROR with
the reason.

Each process builds the verifier from its class and options when it starts, has one response at a
time, and is killed at the end: `close` is not called there. So the class has to be a module's, and its
options have to be picklable. A verifier that starts processes itself cannot run in these.
"""

import asyncio
import functools
import pickle
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from verifiers.border import Border
from verifiers.kinds import target_kinds
from verifiers.records import Target, Verdict
from verifiers.workers import CheckFailed, ProcessWorkers


class ProcessSettings(BaseModel):
    """Keys of every verifier's section, beside the verifier's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    processes: int = Field(default=0, ge=0, le=1024)
    """Processes that judge, in each place where the verifier runs; 0 judges in place."""
    process_seconds: float = Field(default=30.0, gt=0)
    """Hard limit on one response, and on building the verifier."""
    process_memory_mb: int = Field(default=2048, ge=64)
    """Hard limit on a process's memory, as the address space beyond that of a bare interpreter."""

    @model_validator(mode="after")
    def _limits_need_processes(self) -> Self:
        given = self.model_fields_set
        if given and "processes" not in given:
            raise ValueError(f"`{sorted(given)[0]}` goes with `processes`: expected it to be set too")
        return self


class ProcessVerifier:
    """A verifier whose work is done in processes."""

    def __init__(
        self, cls: type[Any], options: BaseModel, settings: ProcessSettings, *arguments: object
    ) -> None:
        """`cls(options, *arguments)` has to be a verifier; one is built here, for its name."""
        verifier = cls(options, *arguments)
        named = Border(verifier)
        self.name, self.version = named.name, named.version
        self._error = named.error
        self._recipe = pickle.dumps((cls, options, arguments))
        self.target_kinds = target_kinds(verifier)
        self._num_processes = max(1, settings.processes)
        self._workers: ProcessWorkers[_Item, Verdict | None] = ProcessWorkers(
            answer,
            max_workers=self._num_processes,
            timeout_seconds=settings.process_seconds,
            memory_mb=settings.process_memory_mb,
            preload=[cls.__module__],
            # Each response has the time limit to itself.
            batch_size=1,
        )

    async def start(self) -> None:
        """Builds the verifier in the processes. Raises CheckFailed where that fails."""
        await self._workers.start()
        builds = (self._workers.run((self._recipe, None)) for _ in range(self._num_processes))
        await asyncio.gather(*builds)

    async def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        """The verifier's verdict; ERROR over a limit. Waits for a free process."""
        try:
            verdict = await self._workers.run((self._recipe, (prompt, response, target)))
        except CheckFailed as e:
            return self._error(str(e))
        assert verdict is not None
        return verdict

    async def close(self) -> None:
        """Kills the processes; calling it twice is fine."""
        await self._workers.close()


_Item = tuple[bytes, tuple[str, str, Target] | None]


def answer(item: _Item) -> Verdict | None:
    """Judges one response, or only gets ready for None; runs in a judging process."""
    recipe, question = item
    border, loop = _build(recipe)
    if question is None:
        return None
    try:
        return loop.run_until_complete(border.ask(*question))
    except MemoryError:
        # The pool says which limit it was.
        raise
    except BaseException as e:  # noqa: BLE001 - anybody's code
        return border.broken(e)


@functools.cache
def _build(recipe: bytes) -> tuple[Border, asyncio.AbstractEventLoop]:
    """The verifier, built and started once in this process, and the event loop that it lives in."""
    cls, options, arguments = pickle.loads(recipe)
    border = Border(cls(options, *arguments), in_thread=False)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(border.start())
    return border, loop
