from collections import Counter

import pytest

from pipeline.engines.shares import choose_engine

IDS = [f"problem-{number}" for number in range(4000)]


def test_each_engine_gets_its_share() -> None:
    counts = Counter(choose_engine(0, one, (3.0, 1.0)) for one in IDS)
    # Three standard deviations.
    assert counts[0] == pytest.approx(3000, abs=82)
    assert counts[0] + counts[1] == len(IDS)


def test_the_choice_repeats_and_depends_on_the_seed() -> None:
    chosen = [choose_engine(0, one, (1.0, 1.0)) for one in IDS]
    assert chosen == [choose_engine(0, one, (1.0, 1.0)) for one in IDS]
    assert chosen == [choose_engine(0, one, (5.0, 5.0)) for one in IDS]
    other = [choose_engine(1, one, (1.0, 1.0)) for one in IDS]
    assert 0.4 < sum(a != b for a, b in zip(chosen, other, strict=True)) / len(IDS) < 0.6


def test_only_the_new_engine_takes_problems_from_others() -> None:
    before = [choose_engine(0, one, (2.0, 1.0)) for one in IDS]
    after = [choose_engine(0, one, (2.0, 1.0, 1.0)) for one in IDS]
    moved = [new for old, new in zip(before, after, strict=True) if old != new]
    assert set(moved) == {2}
    assert len(moved) == pytest.approx(1000, abs=82)


def test_one_engine_gets_everything() -> None:
    assert {choose_engine(0, one, (0.1,)) for one in IDS} == {0}
