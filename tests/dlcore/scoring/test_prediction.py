"""Batch inference: rows keep columns and order, the bad ones their reason; one model a process."""

import os
from pathlib import Path

import pandas as pd
import pytest
import torch
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from torch import nn

from dlcore import Artifact, predict


def artifact(folder: Path) -> Artifact:
    torch.manual_seed(1)
    arguments = {"in_features": 30, "out_features": 1}
    return Artifact.save(
        str(folder), model="linear", arguments=arguments, tensors=nn.Linear(30, 1).state_dict(), details={}
    )


def test_rows_keep_columns_and_order_and_bad_rows_say_why(
    spark: SparkSession, tumours: pd.DataFrame, tmp_path: Path
) -> None:
    saved = artifact(tmp_path / "model")
    features = [name for name in tumours.columns if name != "benign"]
    rows = tumours.assign(key=range(len(tumours)), word="kept")
    rows.loc[7, "mean_texture"] = float("nan")
    frame = spark.createDataFrame(rows).coalesce(2)
    scored = predict(
        frame,
        lambda: Artifact.load(str(tmp_path / "model")).module({"linear": nn.Linear}),
        key=saved.id,
        features=features,
        outputs={"probability": torch.sigmoid},
        batch=100,
    )
    found: pd.DataFrame = scored.toPandas()
    assert found["key"].tolist() == list(range(569))
    assert found["word"].tolist() == ["kept"] * 569
    assert found.loc[7, "error"] == "null or not a finite number: mean_texture"
    assert found["error"].isna().sum() == found["probability"].notna().sum() == 568
    inputs = torch.tensor(rows.drop(index=7)[features].to_numpy(), dtype=torch.float32)
    expected = torch.sigmoid(saved.module({"linear": nn.Linear})(inputs)).reshape(-1)
    ours = torch.tensor(found.drop(index=7)["probability"].to_numpy(), dtype=torch.float32)
    torch.testing.assert_close(ours, expected.detach(), rtol=1e-5, atol=1e-6)


def test_a_process_builds_a_model_once(spark: SparkSession, tmp_path: Path) -> None:
    def build() -> nn.Module:
        (tmp_path / f"built-{os.getpid()}-{len(list(tmp_path.iterdir()))}").touch()
        return nn.Linear(1, 1)

    frame = spark.range(1000).repartition(8).withColumn("x", F.col("id").cast("float"))
    for _ in range(2):
        predict(frame, build, key="once", features=["x"], outputs={"y": torch.neg}).count()
        predict(frame, build, key="once", features=["x"], outputs={"y": torch.neg}).agg(F.sum("y")).collect()
    processes = [file.name.split("-")[1] for file in tmp_path.iterdir()]
    assert len(processes) == len(set(processes)) <= 2


def test_clashing_and_missing_columns_are_named(spark: SparkSession) -> None:
    frame = spark.range(3).withColumn("error", F.lit(""))
    with pytest.raises(ValueError, match=r"got \['error'\]"):
        predict(frame, nn.Identity, key="k", features=["id"], outputs={"y": torch.neg})
    with pytest.raises(ValueError, match=r"\['x'\] are not among"):
        predict(frame.drop("error"), nn.Identity, key="k", features=["x"], outputs={"y": torch.neg})
