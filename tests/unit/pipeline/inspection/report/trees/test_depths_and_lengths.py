"""Depths share lines when they are many; quantiles and histograms of lengths."""

from collections import Counter

import pytest

from pipeline.inspection.report.trees.depths import depth_figures
from pipeline.inspection.report.trees.lengths import describe_lengths, histogram
from pipeline.inspection.report.trees.tally import DepthTally
from pipeline.labels.step_labels import credible_interval


def test_deep_trees_have_few_lines_and_lose_nothing() -> None:
    depths = {depth: DepthTally(rollouts=1, judged=1, steps=2) for depth in range(5000)}
    found = depth_figures(depths, {}, 0.95)
    assert len(found) < 40
    assert sum(one.rollouts for one in found) == 5000
    assert [one.first for one in found[1:]] == [one.last + 1 for one in found[:-1]]


def test_width_and_trials_are_means_over_labels() -> None:
    (found,) = depth_figures({3: DepthTally(steps=10, labelled=4)}, {(3, 1, 1): 3, (3, 5, 2): 1}, 0.9)
    widths = [
        one.high - one.low for one in (credible_interval(1, 1, 0.9), credible_interval(2, 5, 0.9))
    ]
    assert found.mean_width == pytest.approx((3 * widths[0] + widths[1]) / 4)
    assert found.mean_trials == 2.0
    assert found.labelled.value == 0.4
    assert found.pass_rate.value is None


def test_quantiles() -> None:
    (found,) = describe_lengths({"kept": Counter(range(1, 101)), "truncated": Counter()})
    assert (found.responses, found.p5, found.median, found.p95, found.longest) == (100, 5, 50, 95, 100)
    assert found.mean == 50.5


@pytest.mark.parametrize("lengths", [[0], [1], [3, 3, 900_000], list(range(1000))])
def test_histogram_keeps_every_response(lengths: list[int]) -> None:
    found = histogram({"kept": Counter(lengths)})
    assert found is not None
    assert sum(found.numbers["kept"]) == len(lengths)
    assert len(found.numbers["kept"]) <= 24


def test_no_histogram_without_responses() -> None:
    assert histogram({"kept": Counter()}) is None
