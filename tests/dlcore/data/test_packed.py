"""Columns that lie in arrays are the columns that they are, whole, in parts, with nulls, and beside others."""

import numpy as np
import pyarrow as pa
import pytest

from dlcore.data.layout import Layout
from dlcore.data.packed import Arrays, Packed

ARRAYS = Arrays({"reals": ("a", "b", "c"), "wholes": ("i", "j")})


def opened(null: bool = False) -> Packed:
    reals = [[0.5, 1.5, None if null else 2.5], [3.5, 4.5, 5.5], [6.5, 7.5, 8.5], [9.5, 1e300, 0.0]]
    rows = pa.record_batch(
        {
            "reals": pa.array(reals, pa.list_(pa.float64())),
            "wholes": pa.array([[2**53 + 1, 1], [2, 3], [4, 5], [6, 7]], pa.list_(pa.int64())),
            "small": pa.array([1, 2, 3, 4], pa.int8()),
            "flag": [True, False, True, False],
            "word": ["x", "y", "z", "x"],
        }
    )
    return Packed(rows.slice(0, 3), ARRAYS)


def plain(packed: Packed) -> pa.Table:
    return pa.table({name: packed.column(name) for name in ("a", "b", "c", "i", "j", "small", "flag", "word")})


@pytest.mark.parametrize("null", [False, True])
def test_a_column_of_an_array_is_a_column(null: bool) -> None:
    found = plain(opened(null)).to_pydict()
    assert found["a"] == [0.5, 3.5, 6.5]
    assert found["c"] == [None if null else 2.5, 5.5, 8.5]
    assert found["i"] == [2**53 + 1, 2, 4]
    assert found["word"] == ["x", "y", "z"]


@pytest.mark.parametrize("columns", [["a", "b", "c"], ["c", "a"], ["b"], ["j", "b", "small", "i", "a"], ["small"]])
def test_floats_are_those_of_the_columns(columns: list[str]) -> None:
    packed = opened()
    expected = np.stack([plain(packed)[name].to_numpy().astype(np.float32) for name in columns], axis=1)
    found = packed.floats(columns)
    assert found is not None
    np.testing.assert_array_equal(found, expected)
    assert found.flags.c_contiguous


def test_only_nulls_of_the_columns_that_are_asked_for_matter() -> None:
    assert opened(null=True).floats(["a", "c"]) is None
    np.testing.assert_array_equal(opened(null=True).floats(["b", "a"]), [[1.5, 0.5], [4.5, 3.5], [7.5, 6.5]])
    assert opened().floats(["a", "flag"]) is None


def test_without_arrays_rows_are_themselves() -> None:
    rows = pa.table({"a": [1.0]})
    assert Arrays({}).opened(rows) is rows


def test_what_makes_a_tensor_of_columns_makes_it_of_arrays() -> None:
    packed = opened()
    layout = Layout.of(plain(packed).schema, features={"x": ["a", "small", "i"], "n": "j"}, label="b")
    expected, found = layout.cells(plain(packed)), layout.checked_cells(packed)
    assert all(np.array_equal(each, found[name]) for name, each in expected.items())
    with pytest.raises(ValueError, match="c in 1 rows"):
        Layout.of(plain(packed).schema, features=["a", "c"], label="b").checked_cells(opened(null=True))
