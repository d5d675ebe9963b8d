"""Outputs: what a model gives of some rows, as a column of the type that is declared."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from dlcore import Output

DETECTIONS = "array<struct<box: array<float>, score: double, kind: int>>"


@pytest.mark.parametrize(
    ("kind", "found", "values"),
    [
        ("double", torch.tensor([[1.0], [2.0]]), [1.0, 2.0]),
        ("float", torch.tensor([0.5, 0.25], dtype=torch.bfloat16), [0.5, 0.25]),
        ("double", torch.tensor([True, False]), [1.0, 0.0]),
        ("int", torch.tensor([3, 4]), [3, 4]),
        ("boolean", torch.tensor([0.5, 0.1]) > 0.3, [True, False]),
        ("bigint", np.array([1, 2], dtype=np.int32), [1, 2]),
        ("array<float>", torch.arange(6.0).reshape(2, 3), [[0, 1, 2], [3, 4, 5]]),
        ("array<array<int>>", torch.arange(8).reshape(2, 2, 2), [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]),
        ("binary", torch.tensor([[1, 2], [3, 4]], dtype=torch.uint8), [b"\1\2", b"\3\4"]),
        ("binary", [b"a", None], [b"a", None]),
        ("string", ["a", "b"], ["a", "b"]),
        (
            "struct<a: double, b: array<float>>",
            {"a": torch.ones(2), "b": torch.zeros(2, 1)},
            [{"a": 1, "b": [0]}, {"a": 1, "b": [0]}],
        ),
        (
            DETECTIONS,
            [
                {"box": torch.ones(2, 4), "score": torch.tensor([0.5, 0.25]), "kind": torch.tensor([1, 2])},
                {"box": torch.ones(0, 4), "score": torch.ones(0), "kind": torch.ones(0, dtype=torch.int64)},
            ],
            [[{"box": [1] * 4, "score": 0.5, "kind": 1}, {"box": [1] * 4, "score": 0.25, "kind": 2}], []],
        ),
        (
            DETECTIONS,
            [[{"box": [1.0], "score": 0.5, "kind": 1}], None],
            [[{"box": [1], "score": 0.5, "kind": 1}], None],
        ),
    ],
)
def test_values_are_of_the_declared_kind(kind: str, found: Any, values: list[Any]) -> None:
    column = Output(kind, lambda prediction: prediction).column("y", found, 2)
    assert column.to_pylist() == values
    assert isinstance(column, pa.Array)


def test_of_several_predictions_an_output_takes_that_of_its_name_or_what_its_function_makes() -> None:
    prediction = {"score": torch.tensor([1.0, 2.0])}
    assert Output("double").column("score", prediction, 2).to_pylist() == [1, 2]
    assert Output("double", lambda found: -found["score"]).column("y", prediction, 2).to_pylist() == [-1, -2]
    with pytest.raises(ValueError, match=r"output y must be one of the model's predictions, got \['score'\]"):
        Output("double").column("y", prediction, 2)


@pytest.mark.parametrize(
    ("kind", "found", "sentence"),
    [
        ("double", torch.ones(2, 3), r"output y must give values of kind double, got float32\[2, 3\]"),
        ("double", torch.ones(3), r"must give one double a row, got float32\[3\]: 3 for 2 rows"),
        ("array<float>", torch.ones(2), r"an array a row is of a tensor \[rows, length\]"),
        ("int", torch.tensor([0.5, 1.0]), "must give values of kind int, got float32"),
        ("binary", torch.ones(2, 3), "bytes are of a uint8 tensor"),
        ("array<struct<a: int>>", [{"b": torch.ones(1)}] * 2, r"KeyError: 'a'"),
        (
            "array<struct<a: int, b: int>>",
            [{"a": torch.ones(2), "b": torch.ones(1)}] * 2,
            "the arrays of a row's structs must be of one length",
        ),
        ("struct<a: int>", [{"b": 1}] * 2, "must give values of kind struct<a: int>, got list of 2"),
    ],
)
def test_other_values_are_refused_by_name(kind: str, found: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Output(kind).column("y", found, 2)


@pytest.mark.parametrize("kind", ["number", "array", "array<int", "struct<a int>", "double double", ""])
def test_an_unknown_kind_is_refused_where_it_is_declared(kind: str) -> None:
    with pytest.raises(ValueError, match=r"Output\.kind must be of boolean, .* and struct<name: kind, \.\.\.>, got"):
        Output(kind)
