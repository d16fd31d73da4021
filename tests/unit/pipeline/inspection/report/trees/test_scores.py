"""Reliability of scores: AUC, calibration and Brier score by hand."""

import numpy as np
import pytest

from pipeline.inspection.report.trees.scores import ScoreTally, reliability


def tally(*items: tuple[float, int, int]) -> ScoreTally:
    found = ScoreTally()
    scores, trials, passes = (np.array(column) for column in zip(*items, strict=True))
    found.add(scores.astype(float), trials.astype(np.int64), passes.astype(np.int64))
    return found


def test_by_hand() -> None:
    found = reliability(tally((0.9, 2, 2), (0.4, 2, 1), (0.1, 1, 0)))
    assert found is not None
    # Three right, two wrong: of six pairs, only the tie at 0.4 is half.
    assert found.auc == pytest.approx(5.5 / 6)
    assert found.brier == pytest.approx((2 * 0.01 + 0.36 + 0.16 + 0.01) / 5)
    assert found.error == pytest.approx((2 * 0.1 + 2 * 0.1 + 0.1) / 5)
    assert [(one.low, one.measured.count, one.measured.total) for one in found.ranges] == [
        (0.1, 0, 1),
        (0.4, 1, 2),
        (0.9, 2, 2),
    ]


def test_unknown_is_none() -> None:
    assert reliability(ScoreTally()) is None
    all_right = reliability(tally((1.0, 3, 3)))
    assert all_right is not None
    assert all_right.auc is None
