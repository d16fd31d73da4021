"""Runs any verifier in processes of its own, with one setting: `processes: N` in its section.

Meant for verifiers that compute: N of them judge in parallel, the event loop stays free, and no
response can exceed `process_seconds` or `process_memory_mb`. A process over a limit is killed and
replaced; if the response exceeds the limit again in a fresh process, the verdict is ERROR with the
reason.

Each process builds the verifier from its class and options when it starts, judges one response at a
time, and is killed at the end without calling `close`. The class must be importable from a module and
its options must be picklable. A verifier that starts processes itself cannot run in these.
"""

import asyncio
import functools
import pickle
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from verifiers.isolation.border import Border
from verifiers.isolation.workers import CheckFailed, ProcessWorkers
from verifiers.records import Target, Verdict


class ProcessSettings(BaseModel):
    """Keys that every verifier's section accepts, in addition to the verifier's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    processes: int = Field(default=0, ge=0, le=1024)
    """Judging processes in each place where the verifier runs; 0 judges in the caller's process."""
    process_seconds: float = Field(default=30.0, gt=0)
    """Hard limit on one response, and on building the verifier."""
    process_memory_mb: int = Field(default=2048, ge=64)
    """Hard limit on a process's memory: address space beyond that of a bare interpreter."""

    @model_validator(mode="after")
    def _limits_need_processes(self) -> Self:
        given = self.model_fields_set
        if given and "processes" not in given:
            raise ValueError(
                f"`{sorted(given)[0]}` only works with `processes`: expected both to be set"
            )
        return self


class ProcessVerifier:
    """Judges in processes, through the interface of a verifier."""

    def __init__(
        self, cls: type[Any], options: BaseModel, settings: ProcessSettings, *arguments: object
    ) -> None:
        """`cls(options, *arguments)` must be a verifier; one is built here, to read its name."""
        verifier = cls(options, *arguments)
        named = Border(verifier)
        self.name, self.version = named.name, named.version
        self._error = named.error
        self._recipe = pickle.dumps((cls, options, arguments))
        self.target_kinds = named.traits.target_kinds
        self._num_processes = max(1, settings.processes)
        self._workers: ProcessWorkers[_Item, Verdict | None] = ProcessWorkers(
            answer,
            max_workers=self._num_processes,
            timeout_seconds=settings.process_seconds,
            memory_mb=settings.process_memory_mb,
            preload=[cls.__module__],
            # Each response gets the time limit for itself.
            batch_size=1,
        )

    async def start(self) -> None:
        """Builds the verifier in the processes. Raises CheckFailed if that fails."""
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
        """Kills the processes. Calling it twice is safe."""
        await self._workers.close()


_Item = tuple[bytes, tuple[str, str, Target] | None]


def answer(item: _Item) -> Verdict | None:
    """Judges one response; for None only builds the verifier. Runs in a judging process."""
    recipe, question = item
    border, loop = _build(recipe)
    if question is None:
        return None
    try:
        return loop.run_until_complete(border.ask(*question))
    except MemoryError:
        # The pool reports which limit it was.
        raise
    except BaseException as e:  # noqa: BLE001 - third-party code raises anything
        return border.broken(e)


@functools.cache
def _build(recipe: bytes) -> tuple[Border, asyncio.AbstractEventLoop]:
    """The verifier, built and started once in this process, and its event loop."""
    cls, options, arguments = pickle.loads(recipe)
    border = Border(cls(options, *arguments), in_thread=False)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(border.start())
    return border, loop
