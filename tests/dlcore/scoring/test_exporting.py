"""IRs in artifacts: they predict what torch predicts, on Spark too, bad rows with their reason; models of other makers go the same way."""

import hashlib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pandas as pd
import pyarrow as pa
import pytest
import torch
from openvino import opset15
from pyspark.sql import SparkSession
from torch import Tensor, nn

from dlcore import Artifact, ArtifactError, Field, Output, add_ir, import_model


class Pictures(nn.Module):
    """Classes of uint8 pictures [N, 12, 12, 3], normalised inside the model, with local response normalisation."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *[nn.Conv2d(3, 8, 3), nn.ReLU(), nn.LocalResponseNorm(5), nn.Conv2d(8, 16, 3), nn.ReLU()],
            *[nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, classes)],
        )

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        logits = self.layers(x.permute(0, 3, 1, 2).float() / 127.5 - 1)
        return {"logits": logits, "margin": logits.amax(1) - logits.amin(1)}


def decode(x: bytes, y: Any, generator: Any) -> tuple[Any, Any]:
    if len(x) < 12 * 12 * 3:
        raise ValueError(f"a picture of {len(x)} bytes")
    return np.frombuffer(x, np.uint8).reshape(12, -1, 3), y


def pictures(rows: int) -> pa.Table:
    made = np.random.default_rng(0).integers(0, 256, (rows, 12, 12, 3), dtype=np.uint8)
    return pa.table({"key": range(rows), "picture": [each.tobytes() for each in made]})


def artifact(folder: Path) -> Artifact:
    torch.manual_seed(0)
    return Artifact.save(
        str(folder),
        model="pictures",
        arguments={"classes": 3},
        tensors=Pictures(3).state_dict(),
        details={},
        features="picture",
        outputs={"logits": Output("array<float>"), "margin": Output("float")},
        transform=decode,
        models={"pictures": Pictures},
    )


def assert_same(found: pd.DataFrame, expected: pd.DataFrame, tolerance: float) -> None:
    assert found["error"].tolist() == expected["error"].tolist()
    good = expected["error"].isna()
    for name in ("logits", "margin"):
        ours, theirs = (np.stack([*each[good][name]]) for each in (found, expected))
        np.testing.assert_allclose(ours, theirs, atol=tolerance)
        assert found[~good][name].isna().all()


def test_predictions_are_those_of_torch_on_spark_and_here_and_bad_rows_have_their_reason(
    spark: SparkSession, tmp_path: Path
) -> None:
    table, plain = pictures(400), artifact(tmp_path / "a")
    exported = add_ir(plain, example=spark.createDataFrame(table), folder=str(tmp_path / "b"))
    assert exported.files == ["ir/f32.bin", "ir/f32.xml", "weights.safetensors"]
    assert plain.files == ["weights.safetensors"]
    rows = table.to_pandas()
    rows.loc[7, "picture"], rows.loc[8, "picture"] = b"short", None
    expected = plain.predict(rows, batch=16)
    assert [number for number, reason in enumerate(expected["error"]) if reason] == [7, 8]
    for precision, tolerance in (("f32", 1e-5), ("bf16", 2e-2)):
        assert_same(exported.predict(rows, precision=precision, batch=16), expected, tolerance)  # type: ignore[arg-type]
    frame = spark.createDataFrame(rows).repartition(3)
    scored: pd.DataFrame = exported.predict(frame, precision="f32").toPandas()
    found = scored.sort_values("key").reset_index(drop=True)
    assert found.columns.tolist() == ["key", "picture", "logits", "margin", "error"]
    assert_same(found, expected, 1e-5)


def test_a_row_that_the_compiled_model_does_not_take_has_its_reason(tmp_path: Path) -> None:
    exported = add_ir(artifact(tmp_path / "a"), example=pictures(1))
    rows = pictures(20).to_pandas()
    rows.loc[9, "picture"] = bytes(12 * 13 * 3)
    found = exported.predict(rows, precision="f32")
    assert found["margin"].notna().sum() == 19
    assert "RuntimeError" in found["error"][9]


def test_changed_files_and_absent_precisions_are_refused(tmp_path: Path) -> None:
    exported = add_ir(artifact(tmp_path / "a"), example=pictures(1))
    with pytest.raises(
        ArtifactError, match=r"has no ir/int8\.xml; add_ir makes that of f32 and bf16, quantize that of int8"
    ):
        exported.predict(pictures(2), precision="int8")
    (weights,) = tmp_path.rglob("f32.bin")
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\1")
    with pytest.raises(ArtifactError, match=r"is damaged: ir/f32\.bin is not the file that was saved"):
        exported.predict(pictures(2), precision="f32")
    with pytest.raises(ValueError, match="an IR needs an example row, got none"):
        add_ir(artifact(tmp_path / "b"), example=pictures(0))


def foreign(folder: Path) -> dict[str, str]:
    """An IR of another maker's, for two rows at a time; returns checksums."""
    table = opset15.parameter([2, 3], np.float32, name="table")
    scale = opset15.constant(np.array([[1.0], [2.0], [3.0]], np.float32))
    made = opset15.matmul(table, scale, False, False)
    made.set_friendly_name("score")
    model = ov.Model([made], [table])
    model.inputs[0].get_tensor().set_names({"table"})
    folder.mkdir()
    ov.save_model(model, folder / "theirs.xml", compress_to_fp16=False)
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("theirs.xml", "theirs.bin")}


def test_a_model_of_another_maker_predicts_once_its_checksums_and_inputs_are_given(tmp_path: Path) -> None:
    sha256 = foreign(tmp_path / "theirs")
    take = partial(
        import_model, str(tmp_path / "a"), source=tmp_path / "theirs" / "theirs.xml", outputs={"score": Output()}
    )
    rows = pa.table({"a": [1.0, 0.0, float("nan")], "b": [1, 0, 0], "c": [1.0, 2.0, 0.0]})
    for features in (["a", "b", "c"], {"table": ["a", "b", "c"]}):
        made = take(sha256=sha256, features=features)
        found = made.predict(rows, precision="f32")
        assert found["score"].to_pylist() == [6.0, 6.0, None]
        assert made.details["source_sha256"] == sha256
    with pytest.raises(
        ValueError, match=r"features must name the model's inputs, which are \[\['table'\]\], got \['x', 'y'\]"
    ):
        take(sha256=sha256, features={"x": "a", "y": "b"})
    with pytest.raises(ValueError, match="sha256 must have the checksum of each"):
        take(sha256={}, features=["a", "b", "c"])
    with pytest.raises(
        ArtifactError, match=r"theirs\.bin must have the sha256 0, got [0-9a-f]{64}; it is another file"
    ):
        take(sha256=sha256 | {"theirs.bin": "0"}, features=["a", "b", "c"])
    with pytest.raises(ValueError, match=r"names such as .* got \['\.\./x'\]"):
        take(sha256={"../x": "0"}, features=["a", "b", "c"])
    with pytest.raises(ArtifactError, match="needs model 'openvino'"):
        made.predict(rows)


def message(*parts: tuple[int, int | bytes | str]) -> bytes:
    """Numbers, text and messages as protobuf writes them, by the numbers of their fields."""
    found = b""
    for number, value in parts:
        if isinstance(value, int):
            found += bytes([number << 3, value])
        else:
            content = value.encode() if isinstance(value, str) else value
            found += bytes([number << 3 | 2, len(content)]) + content
    return found


SCALE = np.array([[1.0], [2.0], [3.0]], np.float32).tobytes()


def onnx() -> bytes:
    """The product of two rows of three numbers and SCALE, in ONNX (its onnx.proto3 has the numbers)."""

    def port(name: str, *shape: int) -> bytes:
        dims = message(*[(1, message((1, length))) for length in shape])
        return message((1, name), (2, message((1, message((1, 1), (2, dims))))))

    node = message((1, "table"), (1, "scale"), (2, "score"), (4, "MatMul"))
    scale = message((1, 3), (1, 1), (2, 1), (8, "scale"), (9, SCALE))
    graph = message((1, node), (2, "g"), (5, scale), (11, port("table", 2, 3)), (12, port("score", 2, 1)))
    return message((1, 8), (7, graph), (8, message((2, 13))))


def frozen() -> bytes:
    """The same as a frozen graph of TensorFlow (its graph.proto has the numbers)."""

    def attribute(name: str, value: bytes) -> tuple[int, bytes]:
        return 5, message((1, name), (2, value))

    def shape(*lengths: int) -> bytes:
        return message(*[(2, message((1, length))) for length in lengths])

    number = message((6, 1))
    tensor = message((1, 1), (2, shape(3, 1)), (4, SCALE))
    nodes = [
        message(
            (1, "table"), (2, "Placeholder"), attribute("dtype", number), attribute("shape", message((7, shape(2, 3))))
        ),
        message((1, "scale"), (2, "Const"), attribute("dtype", number), attribute("value", message((8, tensor)))),
        message((1, "score"), (2, "MatMul"), (3, "table"), (3, "scale"), attribute("T", number)),
    ]
    return message(*[(1, each) for each in nodes])


@pytest.mark.parametrize(("name", "content"), [("theirs.onnx", onnx()), ("theirs.pb", frozen())])
def test_onnx_and_frozen_graphs_are_read_too(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    made = import_model(
        str(tmp_path / "a"),
        source=tmp_path / name,
        sha256={name: hashlib.sha256(content).hexdigest()},
        features={"table": ["a", "b", "c"]},
        outputs={"score": Output(of=lambda found: found)},
    )
    rows = pa.table({"a": [1.0, 0.0, 1.0], "b": [1, 0, 0], "c": [1.0, 2.0, 0.0]})
    assert made.predict(rows, precision="f32")["score"].to_pylist() == [6.0, 6.0, 1.0]


def test_bytes_with_a_shape_need_no_transform(tmp_path: Path) -> None:
    torch.manual_seed(0)
    saved = Artifact.save(
        str(tmp_path / "a"),
        model="pictures",
        arguments={"classes": 3},
        tensors=Pictures(3).state_dict(),
        details={},
        features=Field("picture", dtype="uint8", shape=(12, 12, 3)),
        outputs={"margin": Output("float")},
        models={"pictures": Pictures},
    )
    exported = add_ir(saved, example=pictures(1))
    ours, theirs = exported.predict(pictures(300), precision="f32"), exported.predict(pictures(300))
    np.testing.assert_allclose(ours["margin"].to_pylist(), theirs["margin"].to_pylist(), atol=1e-5)
