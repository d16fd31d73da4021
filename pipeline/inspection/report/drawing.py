"""The charts of the report, from its figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.datasets.counts import PASS_RATES
from pipeline.inspection.report.charts import Axis, Bar, LineChart, Point, bars, line_chart
from pipeline.inspection.report.engine_times import EngineInterval
from pipeline.inspection.report.figures import Figures
from pipeline.inspection.report.timeline import Interval
from pipeline.inspection.report.trees.depths import DepthFigures
from pipeline.inspection.report.trees.lengths import Histogram
from pipeline.inspection.report.trees.scores import Reliability
from pipeline.inspection.report.wording import number, percent
from pipeline.labels.calibration import Calibration

_QUEUES = {
    "problems_running": "problems being explored",
    "sequences_running": "sequences in the engines",
    "sequences_waiting": "sequences waiting",
    "responses_unjudged": "responses without a verdict",
}
"""Queues that are drawn, with their names for people."""
_SCORES = {
    "step_scores": "Scores of steps, against rollouts from there",
    "final_scores": "Last scores of whole responses, against outcomes",
    "response_scores": "Scores of responses, against outcomes",
}
"""Field of `TreeFigures` -> title of its chart."""
_MOST_ENGINES = 4
"""Engines with a line of their own; of more, the slowest, the median and the quickest are drawn."""
_BUSY_SECONDS = 0.5
"""Intervals that are shorter say little about speed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charts:
    """All charts; None or empty for those without data."""

    funnel: list[Bar]
    pass_rates: list[Bar]
    coverage: LineChart | None
    certainty: list[Bar]
    rate_by_depth: LineChart | None
    labels_by_depth: LineChart | None
    branches: list[Bar]
    lengths: LineChart | None
    calibration: LineChart | None
    scores: dict[str, LineChart | None]
    """By the field of `TreeFigures`."""
    speed: LineChart | None
    cache: LineChart | None
    queues: LineChart | None
    engines: LineChart | None


def draw(figures: Figures) -> Charts:
    """Draws the charts."""
    trees, times = figures.trees, figures.timeline
    unit, scale = _unit(times.intervals[-1].end if times.intervals else 0.0)
    time = f"time that the run's processes ran, {unit}"
    return Charts(
        funnel=bars(
            [
                (one["stage"], one["count"], number(one["count"]), percent(one["fraction"]))
                for one in figures.counts["funnel"]
            ]
        ),
        pass_rates=_pass_rates(figures),
        coverage=_coverage(figures),
        certainty=_certainty(trees.certainty),
        rate_by_depth=_rate_by_depth(trees.depths),
        labels_by_depth=_labels_by_depth(trees.depths),
        branches=_branches(trees.depths),
        lengths=_lengths(trees.token_histogram),
        calibration=_calibration(figures.calibration),
        scores={name: _reliability(getattr(trees, name), title) for name, title in _SCORES.items()},
        speed=_over_time("Tokens per second", time, scale, {"tokens/s": _speeds(times.intervals)}),
        cache=_cache(times.intervals, time, scale),
        queues=_over_time("Queues", time, scale, _queues(times.intervals)),
        engines=_over_time(
            "Tokens per second of each engine", time, scale, _engines(times.engine_intervals)
        ),
    )


def _pass_rates(figures: Figures) -> list[Bar]:
    """Problems by pass rate, from the counts: they are there even if trees cannot be read."""
    found = {name: figures.counts.get(f"pass_rate.{name}", 0) for name in PASS_RATES}
    if not any(found.values()):
        return []
    return bars([(name, size, number(size), "") for name, size in found.items()])


def _coverage(figures: Figures) -> LineChart | None:
    curve = figures.trees.coverage
    points = [
        Point(x=float(place), y=one.value, low=one.low, high=one.high)
        for place, one in enumerate(curve)
    ]
    return line_chart(
        "Problems solved by at least one of k samples (pass@k)",
        {"pass@k": points},
        x=("k, samples of a problem", Axis.named([str(one.k) for one in curve])),
        y=("problems", Axis.fractions()),
    )


def _certainty(numbers: Sequence[int]) -> list[Bar]:
    return bars(
        [
            (f"{10 * place} to {10 * place + 10}%", size, number(size), "")
            for place, size in enumerate(numbers)
        ]
    )


def _depth_name(one: DepthFigures) -> str:
    return str(one.first) if one.first == one.last else f"{one.first} to {one.last}"


def _rate_by_depth(depths: Sequence[DepthFigures]) -> LineChart | None:
    points = [
        Point(x=float(place), y=one.pass_rate.value, low=one.pass_rate.low, high=one.pass_rate.high)
        for place, one in enumerate(depths)
        if one.pass_rate.value is not None
    ]
    return line_chart(
        "Pass rate of the rollouts that start at each depth",
        {"pass rate": points},
        x=("steps before the start", Axis.named([_depth_name(one) for one in depths])),
        y=("rollouts that passed", Axis.fractions()),
    )


def _labels_by_depth(depths: Sequence[DepthFigures]) -> LineChart | None:
    inner = [one for one in depths if one.steps]
    series = {
        "steps with a label": [
            Point(x=float(place), y=one.labelled.value)
            for place, one in enumerate(inner)
            if one.labelled.value is not None
        ],
        "mean width of a label's interval": [
            Point(x=float(place), y=one.mean_width)
            for place, one in enumerate(inner)
            if one.mean_width is not None
        ],
    }
    return line_chart(
        "Step labels by depth",
        series,
        x=("step", Axis.named([_depth_name(one) for one in inner])),
        y=("fraction", Axis.fractions()),
    )


def _branches(depths: Sequence[DepthFigures]) -> list[Bar]:
    total = sum(one.rollouts for one in depths)
    rows = [
        (
            "whole answers" if one.first == 0 else f"after step {_depth_name(one)}",
            one.rollouts,
            number(one.rollouts),
            percent(one.rollouts / total),
        )
        for one in depths
        if one.rollouts
    ]
    return bars(rows)


def _lengths(found: Histogram | None) -> LineChart | None:
    if found is None:
        return None
    series = {}
    most = 0.0
    for fate, numbers in found.numbers.items():
        shares = np.array(numbers) / sum(numbers)
        most = max(most, float(shares.max()))
        series[fate] = [Point(x=float(place), y=float(share)) for place, share in enumerate(shares)]
    num_bins = len(next(iter(found.numbers.values())))
    return line_chart(
        "Lengths of responses",
        series,
        x=(
            f"tokens, in ranges of {found.width}",
            Axis.named([str(place * found.width) for place in range(num_bins)], most=6),
        ),
        y=("fraction of those responses", _percents(most)),
    )


def _percents(most: float) -> Axis:
    axis = Axis.from_zero(100 * most)
    marks = tuple((value / 100, f"{text}%") for value, text in axis.marks)
    return Axis(low=0.0, high=axis.high / 100, marks=marks)


def _calibration(found: Calibration | None) -> LineChart | None:
    if found is None:
        return None
    points = [Point(x=one.predicted, y=one.measured) for one in found.ranges]
    return line_chart(
        "Pass rates of steps: predicted and held out",
        {"held-out rollouts": points},
        x=("predicted pass rate", Axis.fractions()),
        y=("passed", Axis.fractions()),
        diagonal=True,
    )


def _reliability(found: Reliability | None, title: str) -> LineChart | None:
    if found is None:
        return None
    points = [
        Point(x=one.predicted, y=one.measured.value, low=one.measured.low, high=one.measured.high)
        for one in found.ranges
        if one.measured.value is not None
    ]
    return line_chart(
        title,
        {"fraction right": points},
        x=("score", Axis.fractions()),
        y=("right", Axis.fractions()),
        diagonal=True,
    )


def _unit(total_seconds: float) -> tuple[str, float]:
    """The unit of a time axis and its seconds."""
    if total_seconds >= 3 * 3600:
        return "hours", 3600.0
    return ("minutes", 60.0) if total_seconds >= 180 else ("seconds", 1.0)


def _over_time(
    title: str, time: str, scale: float, series: Mapping[str, Sequence[Point]]
) -> LineChart | None:
    points = [one for of_series in series.values() for one in of_series]
    if not points:
        return None
    scaled = {
        name: [Point(x=one.x / scale, y=one.y) for one in of_series]
        for name, of_series in series.items()
    }
    return line_chart(
        title,
        scaled,
        x=(time, Axis.from_zero(max(one.x for one in points) / scale)),
        y=("", Axis.from_zero(max(one.y for one in points))),
    )


def _speeds(intervals: Sequence[Interval]) -> list[Point]:
    return [
        Point(x=one.end, y=one.tokens_per_second)
        for one in intervals
        if one.tokens_per_second is not None and one.seconds >= _BUSY_SECONDS
    ]


def _cache(intervals: Sequence[Interval], time: str, scale: float) -> LineChart | None:
    points = [
        Point(x=one.end / scale, y=one.cache_rate) for one in intervals if one.cache_rate is not None
    ]
    if not points:
        return None
    return line_chart(
        "Prompt tokens from the cache",
        {"from the cache": points},
        x=(time, Axis.from_zero(points[-1].x)),
        y=("", Axis.fractions()),
    )


def _queues(intervals: Sequence[Interval]) -> dict[str, list[Point]]:
    return {
        name: [Point(x=one.end, y=one.queues[key]) for one in intervals if key in one.queues]
        for key, name in _QUEUES.items()
    }


def _engines(every: Sequence[EngineInterval]) -> dict[str, list[Point]]:
    intervals = [one for one in every if one.seconds >= _BUSY_SECONDS]
    workers = sorted({worker for one in intervals for worker in one.tokens})
    if len(workers) < 2:
        return {}
    if len(workers) <= _MOST_ENGINES:
        return {
            f"worker {worker}": [
                Point(x=one.end, y=one.tokens[worker] / one.seconds)
                for one in intervals
                if worker in one.tokens
            ]
            for worker in workers
        }
    found: dict[str, list[Point]] = {"slowest": [], "median": [], "quickest": []}
    for one in intervals:
        speeds = np.array(list(one.tokens.values())) / one.seconds
        for name, value in zip(found, np.quantile(speeds, [0.0, 0.5, 1.0]), strict=True):
            found[name].append(Point(x=one.end, y=float(value)))
    return found


def describe_lost(lost: Mapping[str, int]) -> str:
    """Why rollouts were lost at a stage of the funnel."""
    return ", ".join(f"{number(count)} {name.replace('_', ' ')}" for name, count in lost.items())
