"""The problems of a round: two sides that never meet, and stretches that go around the problem set."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import KINDS
from pipeline.loop.problems import RoundProblems, key_of
from pipeline.problems import BadRow
from pipeline.records import Problem

_NUM = 40


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of problems."""
    file = tmp_path_factory.mktemp("problems") / "rows.jsonl"
    rows = [json.dumps({"prompt": f"What is {n} + 1?", "answer": str(n + 1)}) for n in range(_NUM)]
    file.write_text("\n".join(rows))
    return file


def _prompts(path: Path, seed: int = 1, limit: int | None = None, **more: object) -> list[str]:
    config = {
        "source": {"use": "file", "preset": "plain", "path": str(path), "limit": limit},
        "template": "{problem}",
        "source_seed": 0,
        "side": "train",
        "held_out": 0.3,
        **more,
    }
    source = RoundProblems(RoundProblems.Config.model_validate(config), seed)
    found = []
    for row in source.rows():
        assert not isinstance(row, BadRow)
        found.append(row.prompt)
    return found


def test_the_sides_are_all_problems_and_share_none(path: Path) -> None:
    train, held_out = _prompts(path), _prompts(path, side="held_out")
    assert not set(train) & set(held_out)
    assert len(train) + len(held_out) == _NUM
    assert 4 <= len(held_out) <= 20


def test_the_same_text_is_on_the_same_side_whatever_its_case_and_space() -> None:
    assert key_of("What  IS 1 + 1?\n") == key_of("what is 1 + 1?")


@settings(max_examples=30, deadline=None)
@given(begin=st.integers(0, 120), count=st.integers(1, 60))
def test_a_stretch_goes_around_the_problem_set_once_at_most(path: Path, begin: int, count: int) -> None:
    whole = _prompts(path)
    expected = [whole[(begin + n) % len(whole)] for n in range(min(count, len(whole)))]
    assert _prompts(path, begin=begin, count=count) == expected


def test_rounds_take_one_stretch_after_the_other(path: Path) -> None:
    whole = _prompts(path)
    found = [one for begin in range(0, 50, 10) for one in _prompts(path, begin=begin, count=10)]
    assert found == (whole * 3)[:50]


def test_the_limit_of_the_problem_set_counts_both_sides(path: Path) -> None:
    both = _prompts(path, limit=10) + _prompts(path, limit=10, side="held_out")
    assert len(both) == 10


def test_problems_that_teach_little_are_drawn_again_for_each_round(path: Path, tmp_path: Path) -> None:
    whole = _prompts(path)
    less = tmp_path / "less.json"
    less.write_text(json.dumps([key_of(one) for one in whole[:20]]))
    taken = [
        set(_prompts(path, seed=seed, less=str(less), less_keep=0.5)) & set(whole[:20])
        for seed in range(4)
    ]
    assert all(set(whole[20:]) <= set(_prompts(path, less=str(less), less_keep=0.0)) for _ in "1")
    assert len({frozenset(one) for one in taken}) == 4
    assert all(3 <= len(one) <= 17 for one in taken)
    assert not set(_prompts(path, less=str(less), less_keep=0.0)) & set(whole[:20])


def test_ids_are_those_of_the_problem_set_itself(path: Path) -> None:
    from pipeline.problems.border import open_source
    from pipeline.templates import Template

    part = KINDS["problems"].part({"use": "file", "preset": "plain", "path": str(path)})
    own = {one.prompt: one.id for one in open_source(part, 0).rows() if isinstance(one, Problem)}
    wrapped = KINDS["problems"].part(
        {
            "use": "pipeline.loop.problems:RoundProblems",
            "source": part.dump(),
            "template": "{problem}",
            "source_seed": 0,
            "side": "train",
            "held_out": 0.3,
        }
    )
    rows = list(open_source(wrapped, 5, Template("{problem}")).rows())
    assert rows
    assert all(isinstance(one, Problem) and own[one.prompt] == one.id for one in rows)
