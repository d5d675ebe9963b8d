"""Which rows of a column can be used."""

import numpy as np
import pyarrow as pa
import pytest

from dlcore.data.cells import usable


@pytest.mark.parametrize("kind", [pa.float32(), pa.float64(), pa.list_(pa.float64())])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), 1e300, None])
def test_a_row_that_single_precision_cannot_hold_is_not_usable(kind: pa.DataType, bad: float | None) -> None:
    numbers = [0.0, 3e38, bad, -1.0]
    values = pa.array([[each] for each in numbers] if pa.types.is_list(kind) else numbers, kind)
    assert usable(values).tolist() == [True, True, False, True]


@pytest.mark.parametrize("kind", [pa.float32(), pa.float64()])
def test_large_numbers_whose_squares_are_not_finite_are_usable(kind: pa.DataType) -> None:
    assert usable(pa.array(np.full(20_000, -3e38), kind)).all()
