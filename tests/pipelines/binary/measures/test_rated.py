"""Two models by rank: rows that both put higher stay higher, and the probabilities are those of the first."""

import numpy as np

from pipelines.binary.measures.rated import Rated
from pipelines.binary.measures.scored import Scored


def rated(title: str, probability: list[float]) -> Rated:
    scored = Scored(label=np.array([0, 1, 0, 1]), value=np.ones(4), probability=np.array(probability))
    return Rated(title=title, own=title == "own", validation=scored, test=scored)


def test_ranks_are_averaged_and_equal_ones_stay_equal() -> None:
    own, other = rated("own", [0.1, 0.2, 0.3, 0.9]), rated("other", [0.5, 0.7, 0.6, 0.99])
    found = own.with_ranks_of(other)
    assert found.test.probability.tolist() == [0.1, 0.2, 0.2, 0.9]
    assert found.title == "own and other by rank" and [each.rival for each in (own, found, other)] == [
        False,
        False,
        True,
    ]
