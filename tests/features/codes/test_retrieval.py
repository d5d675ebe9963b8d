"""Mean average precision at n by hand, and of codes with ties."""

import numpy as np
import pytest

from features.codes.retrieval import mean_average_precision, retrieval_precision


def test_it_is_the_mean_precision_at_the_right_ones() -> None:
    right = np.array([[1, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1]], bool)
    by_hand = [(1 + 2 / 3) / 2, 1 / 4, 0, 1]
    assert mean_average_precision(right) == pytest.approx(sum(by_hand) / 4)
    assert mean_average_precision(np.zeros((2, 0), bool)) == 0
    with pytest.raises(ValueError, match="at least one query"):
        mean_average_precision(np.zeros((0, 3), bool))


def test_codes_at_one_distance_rank_by_key() -> None:
    codes = np.array([[0], [0], [1], [255]], np.uint8)
    known, keys = np.array(["a", "b", "a", "a"]), np.array([7, 5, 1, 0])
    asked = {"codes": np.zeros((1, 1), np.uint8), "classes": np.array(["a"]), "among": codes, "known": known}
    assert retrieval_precision(**asked, n=2) == 1  # by place: a, b
    assert retrieval_precision(**asked, n=2, keys=keys) == 1 / 2  # b, a
    assert retrieval_precision(**asked, n=9, keys=keys) == pytest.approx((1 / 2 + 2 / 3 + 3 / 4) / 3)
