"""Layout: columns become tensors by their type, and values that cannot be trained on are counted by column."""

from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dlcore import Field, Vocabulary
from dlcore.data.fields import Tensors
from dlcore.data.layout import Layout, refuse_unusable


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
            "raw": [bytes([1, 2, 3, 4]), bytes([5, 6, 7, 8]), bytes([9, 10, 11, 12])],
            "lengths": [b"1", b"22", b"22"],
            "ragged": [[1.0], [1.0, 2.0], [1.0, 2.0]],
            "big": [0, 1, 300],
            "day": [date(2020, 1, 1)] * 3,
        }
    )


def arrays(features: list[str], label: str) -> dict[str, np.ndarray]:
    return Layout.of(table().schema, features=features, label=label).cells(table())


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


def cells(features: Any, label: Any) -> tuple[Any, Any]:
    layout = Layout.of(table().schema, features=features, label=label)
    pair: tuple[Any, Any] = layout.pair(layout.cells(table()))
    return pair


def test_names_make_several_tensors_each_of_its_own_kind() -> None:
    x, y = cells({"id": "b", "x": ["a", "b"], "picture": "pixels", "flag": "flag"}, {"class": "label", "size": "a"})
    assert {name: (each.dtype.name, each.shape) for name, each in x.items()} == {
        "id": ("int64", (3,)),
        "x": ("float32", (3, 2)),
        "picture": ("int64", (3, 2)),
        "flag": ("float32", (3,)),
    }
    assert (y["class"].dtype, y["size"].dtype) == (np.int64, np.float32)


def test_a_list_of_labels_is_one_matrix() -> None:
    assert cells("a", ["label", "b"])[1].tolist() == [[0, 10], [1, 20], [2, 30]]
    assert cells("a", ["label", "b"])[1].dtype == np.int64
    assert cells("a", ["label", "a"])[1].dtype == np.float32


def test_a_field_says_type_shape_and_vocabulary() -> None:
    words = Field("word", vocabulary=Vocabulary(("z", "x")))
    x, _ = cells({"raw": Field("raw", shape=(2, 2)), "p": Field("pixels", "uint8", (2, 1)), "w": words}, "label")
    assert x["raw"].tolist() == [[[1, 2], [3, 4]], [[5, 6], [7, 8]], [[9, 10], [11, 12]]]
    assert x["raw"].dtype == x["p"].dtype == np.uint8
    assert x["p"].shape == (3, 2, 1)
    assert x["w"].tolist() == [2, 0, 1]
    assert cells({"raw": "raw"}, "label")[0]["raw"].to_pylist()[0] == bytes([1, 2, 3, 4])


@pytest.mark.parametrize(
    ("features", "sentence"),
    [
        ({"x": "ragged"}, r"arrays of column ragged must all have one length, got \[1, 2\]"),
        ({"x": Field("lengths", shape=(3,))}, r"arrays of column lengths must all have one length, got \[1, 2\]"),
        ({"x": "day"}, r"column day must hold numbers, got date32"),
        ({"x": "word"}, r"must hold numbers, got string; .* Field\(column, vocabulary="),
        (
            {"x": Field("b", "uint8"), "y": Field("big", "uint8")},
            "column big must hold 0 to 255 to be uint8, got 0 to 300",
        ),
        ({"x": Field("a", "int64")}, r"columns \['a'\] cannot be int64, they hold \['float32'\]"),
        ({"x": ["a", "pixels"]}, r"side by side must hold one number each, got arrays or bytes in \['pixels'\]"),
        ({"x": Field("pixels", shape=(3,))}, r"pixels must hold 3 elements a row to be of shape \(3,\), got 2"),
        (
            {"x": Field("a", vocabulary=Vocabulary(("x",)))},
            "must hold text or whole numbers for a vocabulary, got double",
        ),
        ({"x": []}, "input.x must name at least one column, got none"),
    ],
)
def test_what_cannot_be_a_tensor_is_a_sentence(features: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        cells(features, "label")


def test_rows_with_a_null_in_bytes_or_in_an_array_are_counted_but_unknown_words_are_not() -> None:
    rows = pa.table(
        {
            "bytes": pa.array([b"", None, b"x"]),
            "arrays": pa.array([[1.0, float("inf"), float("nan")], [1e39, 0.0, 0.0], None]),
            "word": pa.array(["x", None, None]),
            "fixed": pa.array([[1.0], None, [None]], pa.list_(pa.float32(), 1)),
            "label": [1, 2, 3],
        }
    )
    word = Field("word", vocabulary=Vocabulary(("x",)))
    features: Tensors = {"b": "bytes", "a": "arrays", "w": word, "f": "fixed"}
    assert Layout.of(rows.schema, features=features, label="label").unusable(rows) == {
        "bytes": 1,
        "arrays": 3,
        "fixed": 2,
    }


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


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e300, None])
def test_cells_are_of_rows_that_are_all_usable(bad: float | None) -> None:
    good = pa.record_batch({"a": pa.array([1e-3, 2.0, 3e38]), "b": pa.array([0.1, -2.0, 5.0], pa.float32())})
    layout = Layout.of(good.schema, features=["a", "b"])
    np.testing.assert_array_equal(layout.checked_cells(good)["input"], layout.cells(good)["input"])
    doubtful = pa.record_batch({"a": pa.array([1.0, 3e38, bad]), "b": good["b"]})
    assert layout.usable_cells(doubtful) is None
    assert layout.usable(doubtful)["a"].tolist() == [True, True, False]
    with pytest.raises(ValueError, match="got null, NaN or infinity for a in 1 rows"):
        layout.checked_cells(doubtful)


def test_usable_rows_of_every_kind_make_the_cells_that_they_make_unasked() -> None:
    word = Field("word", vocabulary=Vocabulary(("x",)))
    features: Tensors = {"packed": ["a", "b", "flag"], "pixels": "pixels", "raw": "raw", "word": word}
    layout = Layout.of(table().schema, features=features, label="label")
    expected, found = layout.cells(table()), layout.checked_cells(table())
    assert found.keys() == expected.keys()
    assert all(np.array_equal(np.asarray(each), np.asarray(expected[name])) for name, each in found.items())
