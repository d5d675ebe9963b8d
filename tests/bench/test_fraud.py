"""The bench's weighted average precision is scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from pipelines.binary.measures import Scored
from tests.bench.fraud import Ranking


@pytest.mark.parametrize("digits", [1, 2, 9])
def test_weighted_average_precision_with_equal_scores(digits: int) -> None:
    chance = np.random.default_rng(0)
    fraud = (chance.random(3000) < 0.05).astype(np.int64)
    probability = np.round(0.5 * chance.random(3000) + 0.3 * fraud * chance.random(3000), digits)
    ranking = Ranking(Scored(fraud=fraud, amount=np.ones(3000), probability=probability))
    for weights in (np.ones(3000), chance.integers(0, 4, 3000).astype(np.float64)):
        expected = average_precision_score(fraud, probability, sample_weight=weights)
        assert ranking.average_precision(weights) == pytest.approx(expected)
