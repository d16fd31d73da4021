"""Lost actors and failed starts: a fault of the machine is no fault of the problem or the config."""

import errno
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from ray.exceptions import (
    OutOfMemoryError,
    RaySystemError,
    RayTaskError,
)

from pipeline.cluster.crew import Crew
from pipeline.config import load_config
from pipeline.engines import EngineStartError
from pipeline.errors import BerryError, RunFailure
from sandbox import SandboxUnavailable


class Method:
    """Answers `actor.METHOD.remote()` with the result of a function."""

    def __init__(self, answer: Callable[..., Awaitable[Any]]) -> None:
        self.remote = answer


class Actor:
    """An actor whose methods all do the same."""

    def __init__(self, answer: Callable[..., Awaitable[Any]]) -> None:
        self.start = Method(answer)


def raising(error: Exception) -> Actor:
    async def answer(*_: object) -> None:
        raise error

    return Actor(answer)


def task_error(cause: Exception) -> RayTaskError:
    """The error that Ray raises for an exception in an actor."""
    error: RayTaskError = RayTaskError("start", "Traceback ...", cause).as_instanceof_cause()
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OutOfMemoryError("node full"), RunFailure),
        (RaySystemError(Exception("lost")), RunFailure),
        (task_error(OSError(errno.ENOSPC, "No space left on device")), RunFailure),
        (task_error(MemoryError()), RunFailure),
        (task_error(RuntimeError("I/O error: No space left (os error 28)")), RunFailure),
        (task_error(RunFailure("killed")), RunFailure),
        (task_error(SandboxUnavailable("no protection")), RunFailure),
        (task_error(FileNotFoundError(errno.ENOENT, "No such file")), EngineStartError),
        (task_error(ValueError("a part's own")), EngineStartError),
        (task_error(EngineStartError("no such model")), EngineStartError),
    ],
    ids=repr,
)
async def test_only_a_start_that_the_user_can_mend_is_a_users_mistake(
    error: Exception, expected: type[BerryError]
) -> None:
    crew = Crew(load_config(Path("configs/simulated.yaml")))
    with pytest.raises(expected) as caught:
        await crew.started(raising(error))
    assert len(str(caught.value).splitlines()) == 1
