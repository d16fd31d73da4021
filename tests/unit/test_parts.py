"""Which problems a resumed run still has to explore, and when it must refuse to go on."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from pipeline.datasets.folder import FolderError, RunFolder
from pipeline.datasets.parts import Parts
from pipeline.datasets.views import EncodedTrace
from pipeline.records import Problem, Trace
from pipeline.tree import Tree
from tests.conftest import make_problem
from tests.unit.test_folder import RUN

PROBLEMS = [make_problem(f"Problem {n}?") for n in range(10)]
RUN_JSON = {
    **RUN,
    "config": {
        "seed": 0,
        "engine": {"use": "simulated"},
        "problems": {"use": "file", "path": "p"},
        "strategy": {"use": "best_of_n"},
        "verifier": {"use": "exact"},
    },
}


def finished(problem: Problem) -> EncodedTrace:
    return EncodedTrace.of(Trace(problem=problem, seed=0, tree=Tree((), ""), trajectories=()))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[RunFolder]:
    """Ten problems in parts of four, of which the second part is committed and the others not."""
    folder = RunFolder.claim(tmp_path / "out", RUN_JSON)
    parts = Parts(folder, 4)
    for lease in parts.leases(PROBLEMS):
        if 4 <= lease.index < 8:
            parts.put(lease.index, finished(lease.problem))
    assert list(folder.parts) == [1]
    yield folder
    folder.close()


def left(folder: RunFolder, problems: Sequence[Problem]) -> list[int]:
    return [lease.index for lease in Parts(folder, 4).leases(problems)]


def test_what_is_not_committed_is_leased_again(folder: RunFolder) -> None:
    assert left(folder, PROBLEMS) == [0, 1, 2, 3, 8, 9]


def test_problems_that_finish_in_any_order_are_written_in_the_sets_order(folder: RunFolder) -> None:
    parts = Parts(folder, 4)
    leases = list(parts.leases(PROBLEMS))
    for lease in reversed(leases):
        parts.put(lease.index, finished(lease.problem))
    parts.commit_last()
    assert sorted(folder.parts) == [0, 1, 2]
    assert folder.counts["problems"] == 10
    assert left(folder, PROBLEMS) == []


@pytest.mark.parametrize(
    "changed",
    [
        PROBLEMS[:4],
        PROBLEMS[:6],
        PROBLEMS[1:],
        [*PROBLEMS[:5], make_problem("Another?"), *PROBLEMS[6:]],
        [*PROBLEMS[:4], *reversed(PROBLEMS[4:8]), *PROBLEMS[8:]],
    ],
)
def test_a_changed_problem_set_is_refused(folder: RunFolder, changed: Sequence[Problem]) -> None:
    with pytest.raises(FolderError, match="problem set has changed"):
        left(folder, changed)


def test_a_last_part_that_has_grown_is_refused(folder: RunFolder) -> None:
    parts = Parts(folder, 4)
    for lease in parts.leases(PROBLEMS):
        parts.put(lease.index, finished(lease.problem))
    parts.commit_last()
    with pytest.raises(FolderError, match="problem set has changed"):
        left(folder, [*PROBLEMS, make_problem("One more?")])
