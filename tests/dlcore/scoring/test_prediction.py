"""Batch inference: rows keep columns and order, the bad ones their reason; one model a process, named by its content."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim import SGD

from dlcore import Artifact, Constant, Field, Fitted, Output, Training
from dlcore.data.fields import Tensors
from dlcore.scoring.prediction import Prediction


def artifact(folder: Path, features: list[str]) -> Artifact:
    torch.manual_seed(1)
    return Artifact.save(
        str(folder),
        model="linear",
        arguments={"in_features": 30, "out_features": 1},
        tensors=nn.Linear(30, 1).state_dict(),
        details={},
        features=features,
        outputs={"probability": torch.sigmoid},
    )


def test_rows_keep_columns_and_order_and_bad_rows_say_why(
    spark: SparkSession, tumours: pd.DataFrame, tmp_path: Path
) -> None:
    features = [name for name in tumours.columns if name != "benign"]
    artifact(tmp_path / "model", features)
    rows = tumours.assign(key=range(len(tumours)), word="kept")
    rows.loc[7, "mean_texture"] = float("nan")
    saved = Artifact.load(str(tmp_path / "model"), models={"linear": nn.Linear}, outputs={"probability": torch.sigmoid})
    found: pd.DataFrame = saved.predict(spark.createDataFrame(rows).coalesce(2)).toPandas()
    assert found["key"].tolist() == list(range(569))
    assert found["word"].tolist() == ["kept"] * 569
    assert found.loc[7, "error"] == "null or not a finite number: mean_texture"
    assert found["error"].isna().sum() == found["probability"].notna().sum() == 568
    inputs = torch.tensor(rows.drop(index=7)[features].to_numpy(), dtype=torch.float32)
    expected = torch.sigmoid(saved.module()(inputs)).reshape(-1)
    ours = torch.tensor(found.drop(index=7)["probability"].to_numpy(), dtype=torch.float32)
    torch.testing.assert_close(ours, expected.detach(), rtol=1e-5, atol=1e-6)
    here = saved.predict(rows)
    assert isinstance(here, pd.DataFrame)
    assert here["error"].tolist() == [None if error is None else error for error in found["error"]]
    np.testing.assert_allclose(here["probability"], found["probability"], rtol=1e-6)


def fitted(model: Callable[[], nn.Module], **settings: Any) -> Fitted:
    """A model that has seen two rows, so that its weights are almost those it is built with."""
    table = pa.table({"x": [1.0, 2.0], "y": [1.0, 2.0]})
    training = Training(
        model=model, loss=loss, optimizer=partial(SGD), schedule=Constant(lr=1e-9), batch=2, epochs=1, **settings
    )
    return training.fit(table, features=["x"], label="y")


def loss(prediction: Any, target: Tensor) -> Tensor:
    return mse_loss((prediction["x"] if isinstance(prediction, dict) else prediction).reshape(-1), target.reshape(-1))


def scaled(factor: float) -> nn.Module:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, factor)
    return layer


class Times(nn.Module):
    """Its factor is neither parameter nor buffer, so that weights alone do not tell two of them apart."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor, self.layer = factor, scaled(1.0)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.layer(x) * self.factor
        return found


@pytest.mark.parametrize("build", [scaled, Times])
def test_another_model_scores_in_a_process_that_holds_one(
    spark: SparkSession, build: Callable[[float], nn.Module]
) -> None:
    frame = spark.createDataFrame(pa.table({"x": [1.0, 2.0, 3.0]})).coalesce(1)
    for factor in (2.0, 3.0, 2.0):
        found: pd.DataFrame = fitted(partial(build, factor)).predict(frame, outputs={"y": Output()}).toPandas()
        assert found["y"].tolist() == pytest.approx([factor, 2 * factor, 3 * factor], rel=1e-6)


class Counted(nn.Module):
    """Leaves a file for each time that it is unpickled."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder, self.layer = folder, scaled(1.0)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        (self.folder / f"opened-{os.getpid()}-{len(list(self.folder.iterdir()))}").touch()

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.layer(x)
        return found


def test_a_process_opens_a_model_once_however_often_it_is_asked_for(spark: SparkSession, tmp_path: Path) -> None:
    frame = spark.range(1000).repartition(8).withColumn("x", F.col("id").cast("float"))
    (tmp_path / "opened").mkdir()
    for _ in range(2):  # two modules, equal in content
        exported = fitted(partial(Counted, tmp_path / "opened")).predict(frame, outputs={"y": Output()})
        exported.count()
        exported.agg(F.sum("y")).collect()
    processes = [file.name.split("-")[1] for file in (tmp_path / "opened").iterdir()]
    assert len(processes) == len(set(processes)) <= 2


class Detector(nn.Module):
    """Says of a number x a box a whole number up to it, and x as bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = scaled(1.0)

    def forward(self, x: Tensor) -> dict[str, Any]:
        rows = self.layer(x).reshape(-1)
        counts = [int(row.round()) for row in rows]
        boxes = [{"box": torch.full((count, 4), float(count)), "score": torch.arange(count) / 10} for count in counts]
        words = [None if count == 2 else bytes(count) for count in counts]
        return {"x": self.layer(x), "boxes": boxes, "words": words, "codes": x.repeat(1, 3)}


OUTPUTS = {
    "boxes": Output("array<struct<box: array<float>, score: double>>"),
    "words": Output("binary"),
    "codes": Output("array<float>"),
    "both": Output("struct<x: double, twice: double>", lambda found: {"x": found["x"], "twice": 2 * found["x"]}),
}


def test_arrays_structs_bytes_and_several_a_row(spark: SparkSession) -> None:
    model = fitted(Detector)
    frame = spark.createDataFrame(pa.table({"x": [0.0, 1.0, 2.0, None]})).coalesce(1)
    scored = model.predict(frame, outputs=OUTPUTS)
    kinds = dict(scored.dtypes)
    assert kinds["boxes"] == "array<struct<box:array<float>,score:double>>"
    assert (kinds["words"], kinds["codes"], kinds["both"]) == (
        "binary",
        "array<float>",
        "struct<x:double,twice:double>",
    )
    for rows in (scored.collect(), model.predict(pa.table({"x": [0.0, 1.0, 2.0, None]}), outputs=OUTPUTS).to_pylist()):
        assert [len(row["boxes"]) for row in rows[:3]] == [0, 1, 2]
        assert rows[2]["boxes"][1]["score"] == pytest.approx(0.1)
        assert list(rows[2]["boxes"][1]["box"]) == [2.0] * 4
        assert [row["words"] for row in rows[:3]] == [b"", b"\0", None]
        assert list(rows[1]["codes"]) == [1.0] * 3
        assert rows[1]["both"]["twice"] == pytest.approx(2.0)
        assert [row["error"] for row in rows] == [None] * 3 + ["null or not a finite number: x"]
        assert [rows[3][name] for name in OUTPUTS] == [None] * 4


def test_results_are_the_same_whatever_the_batch(spark: SparkSession) -> None:
    model = fitted(partial(nn.Sequential, nn.Linear(1, 64), nn.ReLU(), nn.Linear(64, 1)))
    rows = pa.table({"x": np.random.default_rng(1).normal(size=5000)})
    own = model.predict(rows, outputs={"y": Output()})["y"].to_numpy()
    assert np.array_equal(own, model.predict(rows, outputs={"y": Output()})["y"].to_numpy()), "bit for bit"
    for batch in (1, 7, 5000):
        other = model.predict(rows, outputs={"y": Output()}, batch=batch)["y"].to_numpy()
        np.testing.assert_allclose(other, own, rtol=1e-5, atol=1e-6)


def test_a_row_that_the_model_fails_on_says_why_and_what_all_fail_at_is_raised(spark: SparkSession) -> None:
    def picky(found: Tensor) -> Tensor:
        if bool((found.round() == 3).any()):
            raise ZeroDivisionError("I do not like three")
        return found

    model = fitted(partial(scaled, 1.0))
    rows = pa.table({"x": [1.0, 2.0, 3.0, 4.0]})
    found = model.predict(rows, outputs={"y": picky})
    assert found["y"].is_null().to_pylist() == [False, False, True, False]
    assert found["error"].to_pylist() == [None, None, "ZeroDivisionError: I do not like three", None]
    with pytest.raises(ValueError, match=r"output y must give one double a row, got float32\[1\]: 1 for 4 rows"):
        model.predict(rows, outputs={"y": lambda found: found.mean().reshape(1)})


def test_rows_that_a_transform_makes_of_another_shape_say_so() -> None:
    def uneven(x: Any, y: Any, generator: Any) -> Any:
        return (np.zeros(2) if x[0] == 3 else x), y

    model = fitted(partial(scaled, 1.0), transform=uneven)
    found = model.predict(pa.table({"x": [1.0, 3.0, 2.0]}), outputs={"y": Output()})
    assert found["y"].is_null().to_pylist() == [False, True, False]
    assert "RuntimeError" in found["error"].to_pylist()[1]


def test_columns_of_another_type_make_what_the_model_was_trained_on_or_are_refused() -> None:
    class Shops(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shops = nn.Embedding(3, 1)

        def forward(self, shop: Tensor, x: Tensor) -> Tensor:
            found: Tensor = self.shops(shop) + x
            return found

    table = pa.table({"shop": [0, 1], "x": [1.0, 2.0], "y": [1.0, 2.0]})
    training = Training(model=Shops, loss=loss, optimizer=SGD, schedule=Constant(lr=0.1), batch=2, epochs=1)
    model = training.fit(table, features={"shop": "shop", "x": ["x"]}, label="y")
    assert model.features == {"shop": Field("shop", dtype="int64"), "x": Field(["x"], dtype="float32")}
    given = pa.table({"shop": pa.array([0, 1], pa.int8()), "x": [1, 2]})
    same = [model.predict(rows, outputs={"now": Output()})["now"].to_pylist() for rows in (table, given)]
    assert same[0] == same[1]
    with pytest.raises(
        ValueError, match=r"columns \['shop'\] cannot be int64, they hold \['float32'\]; cast them first"
    ):
        model.predict(pa.table({"shop": [0.0], "x": [1.0]}), outputs={"now": Output()})


def test_no_rows_are_no_rows_with_the_columns(spark: SparkSession) -> None:
    model = fitted(partial(scaled, 1.0))
    assert model.predict(spark.range(0).withColumn("x", F.lit(1.0)), outputs={"y": Output("float")}).count() == 0
    found = model.predict(pa.table({"x": pa.array([], pa.float64())}), outputs={"y": Output("float")})
    assert (found.num_rows, found.schema.names, found.schema.field("y").type) == (0, ["x", "y", "error"], pa.float32())


def test_clashing_and_missing_columns_and_outputs_are_named(spark: SparkSession) -> None:
    model = fitted(partial(scaled, 1.0))
    frame = spark.range(3).withColumn("error", F.lit(""))
    with pytest.raises(ValueError, match=r"got \['error'\]"):
        model.predict(frame, outputs={"y": Output()})
    with pytest.raises(ValueError, match=r"\['x'\] are not among"):
        model.predict(frame.drop("error"), outputs={"y": Output()})
    with pytest.raises(ValueError, match="at least one output"):
        model.predict(frame, outputs={})


def test_a_task_scores_batches_that_it_has_by_itself(spark: SparkSession, tmp_path: Path) -> None:
    features = [f"x{number}" for number in range(30)]
    saved = artifact(tmp_path / "model", features)
    model = Artifact.load(saved.folder, models={"linear": nn.Linear}, outputs={"probability": torch.sigmoid})
    rows = spark.range(40).select(*[F.sin(F.col("id") * at).alias(name) for at, name in enumerate(features, 1)])
    score, schema = model.prediction().task(spark, rows.schema)
    table = rows.toArrow()

    def own(numbers: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for _ in numbers:
            yield from (batch.select(["probability"]) for batch in score(iter(table.to_batches())))

    found = spark.range(1).coalesce(1).mapInArrow(own, "probability double").toArrow()
    assert schema.fieldNames() == [*features, "probability", "error"]
    assert found.to_pylist() == model.predict(rows).select("probability").toArrow().to_pylist()


def centred(inputs: Any, target: Any, generator: Any) -> tuple[Any, Any]:
    inputs -= 0.5
    return inputs, target


def test_a_transform_may_write_to_its_row_however_it_came(spark: SparkSession) -> None:
    names = ["a", "b", "c", "d"]
    model = Prediction(module=nn.Linear(4, 1), features=names, outputs={"y": Output("float")}, transform=centred)
    rows = spark.range(20).select(*[F.rand(seed).cast("float").alias(name) for seed, name in enumerate(names)])
    found: pd.DataFrame = model(rows).toPandas()
    assert found["error"].isna().all()
    here = model(rows.toArrow())
    np.testing.assert_array_equal(found["y"], here["y"].to_numpy())


class Sums(nn.Module):
    def forward(self, picture: Tensor, age: Tensor) -> Tensor:
        return picture.float().sum(1) + age


def test_a_row_without_a_value_says_so_whatever_its_other_columns_hold() -> None:
    features: Tensors = {"picture": Field("picture", "uint8"), "age": "age"}
    rows = pa.table({"picture": [[1, 2], [300, 2], [3, 4], []], "age": [1.0, None, 3.0, None]})
    found = Prediction(module=Sums(), features=features, outputs={"y": Output("float")})(rows)
    told = "null or not a finite number: age"
    assert found["error"].to_pylist() == [None, told, None, told]
    assert found["y"].to_pylist() == [4.0, None, 10.0, None]


def test_names_that_differ_by_case_are_all_kept(spark: SparkSession) -> None:
    rows = spark.range(3).selectExpr("double(id) x", "double(1) y", "double(2) z", "double(3) v", "string(id) Error")
    found = fitted(partial(scaled, 1.0)).predict(rows, outputs={"p": Output("float")})
    assert found.columns == ["x", "y", "z", "v", "Error", "p", "error"]
    assert [row[4:6] for row in found.collect()] == [("0", 0.0), ("1", 1.0), ("2", 2.0)]
