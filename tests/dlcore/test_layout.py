"""Layout: columns become tensors by their type, and values that cannot be trained on are counted by column."""

import numpy as np
import pyarrow as pa
import pytest

from dlcore.layout import Layout, refuse_unusable


def table() -> pa.Table:
    return pa.table(
        {
            "a": pa.array([1.0, 2.0, 3.0]),
            "b": pa.array([10, 20, 30], pa.int32()),
            "flag": [True, False, True],
            "pixels": pa.array([[1, 2], [3, 4], [5, 6]], pa.list_(pa.int16())),
            "label": [0, 1, 2],
            "gap": pa.array([1.0, None, float("nan")]),
            "word": ["x", "y", "z"],
        }
    )


def arrays(features: list[str], label: str) -> dict[str, np.ndarray]:
    return Layout.of(table().schema, features=features, label=label).arrays(table())


def test_scalars_are_packed_in_the_order_given() -> None:
    packed = arrays(["b", "flag", "a"], "label")
    assert packed["input"].tolist() == [[10, 1, 1], [20, 0, 2], [30, 1, 3]]
    assert packed["input"].dtype == np.float32


def test_whole_labels_are_classes_and_others_are_float() -> None:
    assert arrays(["a"], "label")["target"].dtype == np.int64
    assert arrays(["a"], "flag")["target"].dtype == np.float32
    assert arrays(["a"], "b")["input"].shape == (3, 1)


def test_an_array_column_is_a_tensor_of_its_own() -> None:
    assert arrays(["pixels"], "label")["input"].tolist() == [[1, 2], [3, 4], [5, 6]]


def test_null_and_nan_are_counted_and_refused() -> None:
    unusable = Layout.of(table().schema, features=["a", "gap"], label="label").unusable(table())
    assert unusable == {"gap": 2}
    with pytest.raises(ValueError, match="gap in 2 rows"):
        refuse_unusable(unusable)


def test_a_missing_column_and_text_are_named() -> None:
    with pytest.raises(ValueError, match=r"\['nothing'\] are not among"):
        arrays(["nothing"], "label")
    with pytest.raises(ValueError, match="column word must hold numbers, got string"):
        arrays(["a", "word"], "label")
