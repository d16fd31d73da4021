"""Speed, queues and engines over time, from lines of any version."""

import json
from collections.abc import Iterator

import pytest

from pipeline.inspection.report.thinning import MOST
from pipeline.inspection.report.timeline import read_timeline


def line(seconds: float, tokens: int, **more: object) -> bytes:
    return json.dumps({"seconds": seconds, "new_live_tokens": tokens, **more}).encode() + b"\n"


def test_a_resumed_run_goes_on_where_it_ended() -> None:
    found = read_timeline([line(5, 100), line(10, 300), line(4, 50), line(8, 90)])
    assert [one.end for one in found.intervals] == [5, 10, 14, 18]
    assert [one.tokens for one in found.intervals] == [100, 200, 50, 40]
    assert found.intervals[1].tokens_per_second == 40


def test_long_runs_are_thinned_and_lose_nothing() -> None:
    lines = (line(5 * n, 10 * n, queues={"problems_running": 7}) for n in range(1, 20_001))
    found = read_timeline(lines).intervals
    assert len(found) <= MOST
    assert sum(one.tokens or 0 for one in found) == 200_000
    assert sum(one.seconds for one in found) == 100_000
    assert all(one.tokens_per_second == 2 for one in found)
    assert all(one.queues == {"problems_running": 7.0} for one in found)


def test_unknown_is_none() -> None:
    lines = [line(1, 5, new_prompt_tokens=10, new_prompt_tokens_cached=None)]
    (found,) = read_timeline(lines).intervals
    assert (found.cache_rate, found.queues, found.rollouts) == (None, {}, None)
    lines = [line(1, 5, new_prompt_tokens=10, new_prompt_tokens_cached=4)]
    assert read_timeline(lines).intervals[0].cache_rate == 0.4


def workers(*tokens: int, cached: object = 1) -> dict[str, object]:
    return {
        "worker": list(range(len(tokens))),
        "tokens": list(tokens),
        "prompt_tokens": [10 for _ in tokens],
        "prompt_tokens_cached": [cached for _ in tokens],
    }


def test_engines_add_up_over_processes() -> None:
    lines = [
        line(1, 30, workers=workers(10, 20)),
        line(2, 40),
        line(4, 90, workers=workers(50, 40)),
        line(2, 8, workers=workers(8, 0)),
    ]
    found = read_timeline(lines)
    assert [(one.worker, one.tokens, one.seconds) for one in found.engines] == [(0, 58, 6), (1, 40, 6)]
    assert [one.cache_rate for one in found.engines] == [0.1, 0.1]
    assert [one.tokens for one in found.engine_intervals] == [
        {0: 10, 1: 20},
        {0: 40, 1: 20},
        {0: 8, 1: 0},
    ]


def test_an_engine_that_does_not_report_its_cache_is_unknown() -> None:
    (found,) = read_timeline([line(1, 3, workers=workers(3, cached=None))]).engines
    assert found.cache_rate is None


@pytest.mark.parametrize(
    "junk",
    [
        b'{"seconds": 7, "new_live',
        b"[1, 2]\n",
        b'{"seconds": "x"}\n',
        b'{"seconds": NaN}\n',
        b'{"seconds": 1e999}\n',
        b'{"seconds": true}\n',
        b'{"new_live_tokens": 5}\n',
        b"\xff\xfe\n",
    ],
)
def test_lines_of_another_form_are_passed_over(junk: bytes) -> None:
    def lines() -> Iterator[bytes]:
        yield line(1, 10)
        yield junk
        yield line(2, 30)

    assert [one.tokens for one in read_timeline(lines()).intervals] == [10, 20]


@pytest.mark.parametrize(
    "columns",
    [
        5,
        {"worker": 3},
        {"worker": ["x"]},
        {"worker": [0], "tokens": [1, 2]},
        {"worker": [0], "tokens": ["x"]},
    ],
)
def test_figures_of_workers_of_another_form_count_nothing(columns: object) -> None:
    found = read_timeline([line(1, 10, workers=columns, queues=["x"])])
    assert sum(one.tokens for one in found.engines) == 0
    assert found.intervals[0].tokens == 10
