"""Whatever fails while a problem is explored, its trace says what and where."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from pipeline.datasets.counts import Counts
from pipeline.datasets.encoded import EncodedTrace, decode
from pipeline.datasets.views.trees import read_trace
from pipeline.engines import (
    EngineDied,
    RequestRejected,
)
from pipeline.failures import failure_of
from pipeline.records import Failure, Phase, Stage
from pipeline.search import Expansion
from pipeline.tree import ROOT, Tree
from tests.conftest import make_problem
from tests.unit.pipeline.test_explore import RecordingEngine, explore, explorer


async def test_a_request_that_is_refused_is_a_trace_that_says_why() -> None:
    trace = await explore(RecordingEngine(RequestRejected("the prompt is too long")))
    expected = Failure(phase=Phase.SAMPLE, type="RequestRejected", message="the prompt is too long")
    assert trace.failures == (expected,)
    assert trace.trajectories == ()
    assert Counts.of(trace).problems_failed == 1
    row = decode("trees", [EncodedTrace.of(trace)]).to_pylist()[0]
    assert row["errors"] == ["sample: RequestRejected: the prompt is too long"]
    assert read_trace(row).failures == trace.failures


async def test_an_engine_that_dies_is_the_callers_affair() -> None:
    with pytest.raises(EngineDied):
        await explore(RecordingEngine(EngineDied("gone"), at=2))


class Failing:
    """A strategy that raises once something has come back."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def propose(self, tree: Tree, pending: Sequence[Expansion]) -> list[Expansion]:
        if pending or len(tree) > 1:
            raise self._error
        return [Expansion(parent=ROOT, num_rollouts=1)] * 3


class Unspeakable(BaseException):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    "error",
    [
        KeyError("x"),
        SystemExit(3),
        KeyboardInterrupt(),
        RecursionError(),
        ValueError("a\nb"),
        ValueError("x" * 10**6),
        StopIteration(),
        asyncio.CancelledError(),
        Unspeakable(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_strategy_that_fails_is_a_failed_trace_with_a_typed_failure(
    error: BaseException,
) -> None:
    trace = await explorer(RecordingEngine(), Failing(error)).explore(make_problem())
    (failure,) = trace.failures
    assert (failure.phase, failure.type) == (Phase.SEARCH, type(error).__name__)
    assert "test_explore_failures.py, line" in failure.message
    assert "\n" not in failure.message
    assert len(failure.message) < 400
    assert EncodedTrace.of(trace).counts.problems_failed == 1
    assert Counts.of(trace).problems_failed == 1
    assert trace.tree.num_rollouts >= 1
    assert not asyncio.all_tasks() - {asyncio.current_task()}


class Broken:
    """Raises from whatever method is called."""

    def __getattr__(self, name: str) -> Callable[..., object]:
        def fail(*_: object, **__: object) -> object:
            raise ZeroDivisionError(name)

        return fail


@pytest.mark.parametrize(
    ("part", "phase"),
    [
        ("strategy", Phase.SEARCH),
        ("splitter", Phase.SPLIT),
        ("judge", Phase.JUDGE),
        ("scorer", Phase.SCORE),
        ("outcome_scorer", Phase.SCORE),
        ("majority", Phase.VOTE),
        ("pruner", Phase.PRUNE),
        ("matcher", Phase.MATCH),
        ("engine", Phase.ENCODE),
    ],
)
async def test_whatever_part_fails_the_trace_says_which(part: str, phase: Phase) -> None:
    broken: Any = Broken()
    trace = await replace(explorer(RecordingEngine()), **{part: broken}).explore(make_problem())
    assert trace.failures[0].phase is phase
    assert {failure.type for failure in trace.failures} == {"ZeroDivisionError"}
    counts = Counts.of(trace)
    assert counts.problems_failed == 1
    assert counts.most_common("failed")[0][0].startswith(f"{phase}: ZeroDivisionError: ")
    row = decode("trees", [EncodedTrace.of(trace)]).to_pylist()[0]
    assert read_trace(row).failures == trace.failures


async def test_without_pruning_nothing_is_kept() -> None:
    broken: Any = Broken()
    trace = await replace(explorer(RecordingEngine()), pruner=broken).explore(make_problem())
    assert trace.trajectories
    assert trace.kept == []
    assert {decision.stage for decision in trace.decisions} == {Stage.PROBLEM_FAILED}


def test_half_a_character_in_an_error_can_be_stored() -> None:
    """Without its traceback in a log: pytest's workers cannot send such text."""
    failure = failure_of(ValueError("half a character \ud800"), Phase.SEARCH)
    assert failure.message == "half a character \\ud800"
