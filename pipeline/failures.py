"""Turns exceptions into typed failures, which are part of a problem's trace.

Only EngineDied passes through: another worker can then explore the problem again.
"""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.engines import EngineDied, RequestRejected
from pipeline.errors import message_of, where
from pipeline.hashing import derive_seed
from pipeline.records import Failure, Phase, Problem, Trace
from pipeline.tree import Tree

_log = logging.getLogger(__name__)


class ProblemFailed(Exception):
    """Ends the search of one problem, not the run."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


@contextmanager
def failing_in(phase: Phase) -> Iterator[None]:
    """Turns any exception raised inside into ProblemFailed with this phase, except EngineDied."""
    try:
        yield
    except (EngineDied, ProblemFailed):
        raise
    except GeneratorExit:
        raise
    except BaseException as e:
        # The part may be third-party code, which can raise anything. A KeyboardInterrupt here is not
        # the user's Ctrl-C, because asyncio turns that into a cancellation.
        if isinstance(e, asyncio.CancelledError) and _is_cancelled():
            raise
        raise ProblemFailed(failure_of(e, phase)) from e


def _is_cancelled() -> bool:
    """Whether this task is being cancelled, so that a CancelledError is not the part's own."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@contextmanager
def collected(failures: list[Failure], phase: Phase) -> Iterator[None]:
    """Adds any exception raised inside to the failures and continues, except EngineDied."""
    try:
        with failing_in(phase):
            yield
    except ProblemFailed as e:
        _log.warning("%s", e.failure, exc_info=e.__cause__)
        failures.append(e.failure)


def failure_of(error: BaseException, phase: Phase) -> Failure:
    """The failure for an exception."""
    if isinstance(error, RequestRejected):
        # The message is already written for the user.
        return Failure(phase=Phase.SAMPLE, type="RequestRejected", message=str(error))
    parts = (message_of(error), f"({place})" if (place := where(error)) else "")
    return Failure(phase=phase, type=type(error).__name__, message=" ".join(filter(None, parts)))


def failed_trace(problem: Problem, seed: int, failure: Failure) -> Trace:
    """A trace without rollouts that holds the failure; `seed` is the run's."""
    seed = derive_seed(seed, problem.id)
    return Trace(
        problem=problem,
        seed=seed,
        tree=Tree((), "", seed),
        trajectories=(),
        failures=(failure,),
    )
