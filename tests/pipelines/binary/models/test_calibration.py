"""Platt's calibration finds the parameters that made the labels, and stays finite."""

import numpy as np
import pytest

from pipelines.binary.models.calibration import platt


def test_it_finds_the_slope_and_intercept_that_made_the_labels() -> None:
    chance = np.random.default_rng(0)
    log_odds = chance.normal(-3, 2, 200_000)
    fraud = (chance.random(200_000) < 1 / (1 + np.exp(-(0.7 * log_odds - 1.5)))).astype(np.int64)
    assert platt(log_odds, fraud) == pytest.approx((0.7, -1.5), rel=0.05)


def test_rows_parted_perfectly_give_finite_parameters() -> None:
    slope, intercept = platt(np.array([-3.0, -2.0, 2.0, 3.0]), np.array([0, 0, 1, 1]))
    assert 0 < slope < 2 and abs(intercept) < 0.1


def test_the_slope_stays_positive_where_scores_mislead() -> None:
    slope, _ = platt(np.array([3.0, 2.0, -2.0, -3.0]), np.array([0, 0, 1, 1]))
    assert 0 < slope < 0.02


def test_one_class_alone_cannot_calibrate() -> None:
    with pytest.raises(ValueError, match="needs positives and negatives, got 0 and 3"):
        platt(np.zeros(3), np.zeros(3, dtype=np.int64))
