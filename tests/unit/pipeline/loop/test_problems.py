"""The problems of a round: two sides that never meet, and stretches that go around the problem set."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import KINDS
from pipeline.errors import UserMistake
from pipeline.loop.problems import RoundProblems, key_of
from pipeline.problems import BadRow
from pipeline.records import Problem
from sandbox import SandboxConfig

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


def test_a_variant_is_on_the_side_of_its_original(tmp_path: Path) -> None:
    file = tmp_path / "worked.jsonl"
    names = ["Ann", "Bob", "Cleo", "Dan", "Eve", "Finn", "Gil", "Hal", "Ida", "Jon"]
    rows = [
        {
            "question": f"{name} has {n} boxes with {n + 7} pens each. How many pens does {name} have?",
            "answer": f"{name} has {n} * {n + 7} = <<{n}*{n + 7}={n * (n + 7)}>>{n * (n + 7)} pens.\n"
            f"#### {n * (n + 7)}",
        }
        for n, name in enumerate(names, start=12)
    ]
    file.write_text("\n".join(map(json.dumps, rows)))
    section = {"use": "file", "preset": "gsm8k", "path": str(file), "variants": {"numbers": 2}}
    found = _sides(section, held_out=0.4)
    originals = {row["question"] for row in rows}
    assert found["held_out"]
    assert set(found["held_out"]) < originals
    variants = [one for one in found["train"] if one not in originals]
    assert len(variants) >= 4
    held_out = {one.split()[0] for one in found["held_out"]}
    assert not held_out & {one.split()[0] for one in variants}


def test_no_variant_has_the_text_of_a_problem_held_out() -> None:
    pytest.importorskip("reasoning_gym")
    section = {
        "use": "reasoning_gym",
        "task": "chain_sum",
        "size": 100,
        "options": {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 1},
        "variants": {"numbers": 2},
    }
    found = _sides(section, held_out=0.3)
    texts = {side: set(map(key_of, prompts)) for side, prompts in found.items()}
    assert texts["train"]
    assert texts["held_out"]
    assert not texts["train"] & texts["held_out"]


def test_variants_are_made_in_the_sandbox_of_the_runs(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[SandboxConfig] = []

    def watched(config: SandboxConfig) -> None:
        opened.append(config)
        raise UserMistake("seen")

    monkeypatch.setattr("pipeline.problems.variants.source.Programs", watched)
    source = {"use": "file", "preset": "plain", "path": str(path), "variants": {"numbers": 1}}
    with pytest.raises(UserMistake, match="seen"):
        _prompts(path, source=source, sandbox={"allow_weak": True})
    assert opened == [SandboxConfig(allow_weak=True)]


def test_files_of_new_problems_come_after_the_stretch_on_the_same_side(
    path: Path, tmp_path: Path
) -> None:
    more = tmp_path / "more.jsonl"
    texts = [f"What is {n} + 2?" for n in range(30)] + _prompts(path, side="held_out")
    more.write_text("\n".join(json.dumps({"prompt": one, "answer": "1"}) for one in texts))
    taken = _prompts(path, begin=3, count=5, more=[str(more)])
    assert taken[:5] == _prompts(path)[3:8]
    assert set(taken[5:]) <= set(texts[:30])
    assert 10 <= len(taken) - 5 < 30


def test_a_round_of_problems_that_teach_little_is_not_empty(path: Path, tmp_path: Path) -> None:
    whole = _prompts(path)
    less = tmp_path / "less.json"
    less.write_text(json.dumps([key_of(one) for one in whole]))
    assert _prompts(path, less=str(less), less_keep=0.0) == whole


def _sides(section: dict[str, Any], held_out: float) -> dict[str, list[str]]:
    """The prompts on each side of a problem set."""
    found = {}
    for side in ("train", "held_out"):
        config = {
            "source": section,
            "template": "{problem}",
            "source_seed": 0,
            "side": side,
            "held_out": held_out,
        }
        source = RoundProblems(RoundProblems.Config.model_validate(config), 1)
        found[side] = [row.prompt for row in source.rows() if isinstance(row, Problem)]
    return found
