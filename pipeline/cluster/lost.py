"""Lost actors: the errors that show it, their messages, and ending an actor."""

import asyncio
import contextlib
import os
from typing import Any

import psutil
import ray
from ray.exceptions import (
    ActorUnschedulableError,
    LocalRayletDiedError,
    NodeDiedError,
    OutOfMemoryError,
    RayActorError,
    RayTaskError,
    WorkerCrashedError,
)
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pipeline.cluster.leases import Process
from pipeline.cluster.ray_session import unblocked
from pipeline.errors import named

ACTOR_LOST = (
    RayActorError,
    ActorUnschedulableError,
    LocalRayletDiedError,
    NodeDiedError,
    OutOfMemoryError,
    WorkerCrashedError,
)
"""Errors of a call to an actor that is gone. Ray names some causes by errors of their own: if it kills
an actor because the node's memory is almost full, it raises OutOfMemoryError."""
_CLOSE_SECONDS = 10.0
_OURS = frozenset({"pipeline", "reward_models", "sandbox", "verifiers"})
"""Packages whose errors have complete messages."""


def this_process() -> Process:
    """The process of the actor that calls this."""
    return Process(node=ray.get_runtime_context().get_node_id(), pid=os.getpid())


async def end_actor(actor: Any, process: Process | None = None, *, closes: bool = True) -> None:
    """Asks the actor to end its processes, unless `closes` is False, then kills it."""
    if closes:
        # An actor that is dead or does not answer is killed below: nothing is lost with the error.
        with contextlib.suppress(Exception):
            await asyncio.wait_for(actor.close.remote(), _CLOSE_SECONDS)
    await unblocked(_end, actor, process)


def _end(actor: Any, process: Process | None) -> None:
    ray.kill(actor)
    if process is not None:
        kill(process)


def kill(process: Process) -> None:
    """Kills a process on its node. Ray only asks an actor to end, and a stopped one keeps its place."""
    on_node = NodeAffinitySchedulingStrategy(node_id=process.node, soft=False)
    ray.remote(num_cpus=0, max_retries=0)(_kill).options(scheduling_strategy=on_node).remote(
        process.pid
    )


def _kill(pid: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        # The number may belong to another process by now.
        if process.name().startswith("ray::"):
            process.kill()


def one_line(error: BaseException) -> str:
    """The error's own message, without the traceback that Ray puts into it."""
    if isinstance(error, RayTaskError):
        error = error.cause
        if type(error).__module__.partition(".")[0] not in _OURS:
            # The message alone may be only a missing key.
            return named(error)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if isinstance(error, RayActorError) and "creation task" in str(error):
        # The error of the actor's own code follows Ray's text and the traceback.
        return lines[-1]
    return lines[0] if lines else type(error).__name__
