"""What raised a score is what it would lose without it."""

import torch

from pipelines.binary.measures.raised import Raised, raised


def test_features_that_raise_a_score_are_told_strongest_first_and_those_that_lower_it_are_not() -> None:
    weights = torch.tensor([2.0, -1.0, 0.5, 0.0])
    rows = torch.tensor([[1.0, 1.0, 4.0, 9.0], [0.0, -3.0, 1.0, 9.0]])
    found = raised(lambda rows_NF: rows_NF @ weights, rows, [0.0, 0.0, 1.0, 0.0], ["a", "b", "c", "d"], most=2)
    assert found == [
        [Raised(feature="a", value=1.0, log_odds=2.0), Raised(feature="c", value=4.0, log_odds=1.5)],
        [Raised(feature="b", value=-3.0, log_odds=3.0)],
    ]
