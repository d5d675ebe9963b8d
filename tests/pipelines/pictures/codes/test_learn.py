"""Codes begin from the best projection that the number of objects allows: few objects are no failure."""

import numpy as np
import pytest

from dlcore.zoo.deepbit import begin
from pipelines.pictures.codes.learn import projections


@pytest.mark.parametrize(
    ("rows", "names"), [(17, ["ITQ", "Random projection"]), (16, ["Random projection"]), (5, ["Random projection"])]
)
def test_itq_needs_more_rows_than_bits_and_whatever_is_first_begins_deepbit(rows: int, names: list[str]) -> None:
    features = np.random.default_rng(0).standard_normal((rows, 40)).astype(np.float32)
    found = projections(features, bits=16, seed=7)
    assert [*found] == names
    start = begin(next(iter(found.values())), features)
    assert start["layer.weight"].shape == (16, 40) and start["layer.weight"].isfinite().all()
