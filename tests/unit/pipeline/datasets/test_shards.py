"""Which shards a resumed run still has to explore, and when it must refuse to go on."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.datasets.folder import FolderError, RunFolder, ids_digest
from pipeline.datasets.shards import Shard, ShardGrid, Shards, change_limit
from pipeline.records import Problem
from tests.conftest import make_problem
from tests.unit.pipeline.datasets.test_folder import RUN
from tests.unit.pipeline.datasets.test_folder import commit as commit_ids

PROBLEMS = [make_problem(f"Problem {n}?") for n in range(40)]


@dataclass(frozen=True)
class Entry:
    num_problems: int
    problems_digest: str


def entry(problems: Sequence[Problem]) -> Entry:
    return Entry(len(problems), ids_digest([problem.id for problem in problems]))


def left(parts: Mapping[int, Entry], problems: Iterable[Problem], size: int = 4) -> list[Shard]:
    return list(Shards(Path("out"), parts, problems, size))


def test_a_new_run_gets_every_shard_in_order() -> None:
    shards = left({}, PROBLEMS[:10])
    assert [shard.index for shard in shards] == [0, 1, 2]
    assert [len(shard.problems) for shard in shards] == [4, 4, 2]
    assert [problem for shard in shards for problem in shard.problems] == PROBLEMS[:10]
    assert shards[1].digest == entry(PROBLEMS[4:8]).problems_digest


def test_no_more_of_the_set_is_read_than_the_next_shard() -> None:
    source = iter(PROBLEMS)
    shards = iter(Shards(Path("out"), {0: entry(PROBLEMS[:4])}, source, 4))
    assert next(shards).index == 1
    assert next(source) == PROBLEMS[8]


@given(
    total=st.integers(0, 40),
    size=st.integers(1, 7),
    picks=st.lists(st.tuples(st.booleans(), st.integers(1, 4)), max_size=40),
)
@settings(max_examples=60, deadline=None)
def test_what_no_part_covers_is_left(total: int, size: int, picks: list[tuple[bool, int]]) -> None:
    """Parts of one or several shards, committed or not, in any pattern."""
    chunks = [PROBLEMS[start : start + size] for start in range(0, total, size)] if total else []
    chunks = [chunk[: max(0, total - number * size)] for number, chunk in enumerate(chunks)]
    parts: dict[int, Entry] = {}
    expected: list[int] = []
    number = 0
    for is_committed, num_shards in [*picks, *[(False, 1)] * 40]:
        if number >= len(chunks):
            break
        merged = chunks[number : number + num_shards] if is_committed else chunks[number : number + 1]
        if is_committed:
            parts[number] = entry([problem for chunk in merged for problem in chunk])
        else:
            expected.append(number)
        number += len(merged)
    shards = left(parts, PROBLEMS[:total], size)
    assert [shard.index for shard in shards] == expected
    assert [list(shard.problems) for shard in shards] == [chunks[number] for number in expected]


COMMITTED = {1: entry(PROBLEMS[4:8])}


@pytest.mark.parametrize(
    ("parts", "changed"),
    [
        (COMMITTED, PROBLEMS[:4]),
        (COMMITTED, PROBLEMS[:6]),
        (COMMITTED, PROBLEMS[1:10]),
        (COMMITTED, [*PROBLEMS[:5], PROBLEMS[30], *PROBLEMS[6:10]]),
        (COMMITTED, [*PROBLEMS[:4], *reversed(PROBLEMS[4:8]), *PROBLEMS[8:10]]),
        ({0: entry(PROBLEMS[:8])}, PROBLEMS[:7]),
        ({0: entry(PROBLEMS[:8])}, [*PROBLEMS[:7], PROBLEMS[30]]),
        ({0: entry(PROBLEMS[:4])}, []),
        # The last part has grown.
        ({0: entry(PROBLEMS[:3])}, PROBLEMS[:4]),
        ({0: entry(PROBLEMS[:7])}, PROBLEMS[:12]),
    ],
)
def test_a_changed_problem_set_is_refused(
    parts: Mapping[int, Entry], changed: Sequence[Problem]
) -> None:
    with pytest.raises(FolderError, match="problem set has changed"):
        left(parts, changed)


@given(
    size=st.integers(1, 7),
    limits=st.lists(st.integers(1, 39), max_size=3, unique=True).map(sorted),
)
@settings(max_examples=60, deadline=None)
def test_shards_of_a_grid_cover_every_problem_once(size: int, limits: list[int]) -> None:
    grid = ShardGrid(size=size, former_limits=tuple(limits))
    start = 0
    for index in range(60):
        assert grid.start(index) == start
        assert grid.after(index, grid.stop(start) - start) == (index + 1, grid.stop(start))
        assert 0 < grid.stop(start) - start <= size
        start = grid.stop(start)
    ends = {grid.start(index) for index in range(61)}
    assert ends.issuperset(limits)


def run_json(limit: int | None) -> dict[str, Any]:
    return {**RUN, "limit": limit}


def commit(folder: RunFolder, shard: Shard) -> None:
    commit_ids(folder, shard.index, *(problem.id for problem in shard.problems))


def explore(path: Path, limit: int | None, most: int = 100, num_problems: int = 40) -> RunFolder:
    """Claims the run with this limit, and commits some of its shards of four, the last first."""
    folder = RunFolder.claim(path, run_json(limit))
    try:
        change_limit(folder, limit, 4)
        former = folder.run.get("former_limits", ())
        problems = PROBLEMS[: min(num_problems, limit or 40)]
        shards = list(Shards(path, folder.parts, problems, 4, former))
        for shard in shards[::-1][:most]:
            commit(folder, shard)
        if len(shards) <= most and folder.complete is None:
            folder.finish({"problems": folder.counts.problems})
    finally:
        folder.close()
    return folder


def sizes(folder: RunFolder) -> dict[int, int]:
    return {index: part.num_problems for index, part in sorted(folder.parts.items())}


def test_a_complete_run_goes_on_with_a_higher_limit(tmp_path: Path) -> None:
    folder = explore(tmp_path, 6)
    assert folder.complete is not None
    assert sizes(folder) == {0: 4, 1: 2}
    folder = explore(tmp_path, 13)
    assert sizes(folder) == {0: 4, 1: 2, 2: 4, 3: 3}
    folder = explore(tmp_path, None)
    assert list(sizes(folder).values()) == [4, 2, 4, 3, *[4] * 6, 3]
    assert RunFolder.read(tmp_path).run["former_limits"] == [6, 13]


def test_a_higher_limit_changes_nothing_if_there_are_no_more_problems(tmp_path: Path) -> None:
    explore(tmp_path, 20, num_problems=10)
    folder = explore(tmp_path, 30, num_problems=10)
    assert folder.complete is not None
    assert sizes(folder) == {0: 4, 1: 4, 2: 2}


def test_a_limit_may_not_be_lower_than_what_is_committed(tmp_path: Path) -> None:
    explore(tmp_path, 10, most=2)
    with pytest.raises(FolderError, match=r"problems\.limit to be at least 10, .*, got 9;"):
        explore(tmp_path, 9)
    assert RunFolder.read(tmp_path).run["limit"] == 10
    explore(tmp_path, 10)
    explore(tmp_path, 12, most=0)
    assert sizes(explore(tmp_path, 10)) == {0: 4, 1: 4, 2: 2}


@given(steps=st.lists(st.tuples(st.integers(1, 40), st.integers(0, 4)), min_size=1, max_size=6))
@settings(max_examples=10, deadline=None)
def test_whatever_the_limits_were_each_problem_is_committed_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int]]
) -> None:
    """Each step claims the run with a limit and commits some shards."""
    path = tmp_path_factory.mktemp("out") / "run"
    for limit, most in steps:
        with suppress(FolderError):
            explore(path, limit, most)
    folder = explore(path, 40)
    assert folder.complete is not None
    ids = [problem.id for problem in PROBLEMS]
    start = 0
    for _, part in sorted(folder.parts.items()):
        stop = start + part.num_problems
        assert part.problems_digest == ids_digest(ids[start:stop])
        start = stop
    assert start == 40


def test_a_crash_while_the_limit_changes_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    explore(tmp_path, 6)
    with monkeypatch.context() as patched:
        patched.setattr(RunFolder, "change_run", crash)
        with pytest.raises(KeyboardInterrupt):
            explore(tmp_path, 9)
    assert explore(tmp_path, 6).complete is not None
    assert sizes(explore(tmp_path, 9)) == {0: 4, 1: 2, 2: 3}


def crash(*args: object, **keys: object) -> None:
    raise KeyboardInterrupt
