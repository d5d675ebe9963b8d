"""A fitted model's metrics are the same figures for a table, Parquet files and a DataFrame, however its rows lie."""

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.dataset as ds
import pytest
import torch
from pyspark.sql import SparkSession
from sklearn.metrics import average_precision_score
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.optim import SGD

from dlcore import Accuracy, AveragePrecision, Constant, Fitted, MeanLoss, Training

METRICS = (Accuracy(), AveragePrecision(), MeanLoss(loss=binary_cross_entropy_with_logits))


def fitted(tumours: pd.DataFrame, **changes: Any) -> Fitted:
    settings: dict[str, Any] = {
        "model": lambda: nn.Linear(30, 1),
        "loss": binary_cross_entropy_with_logits,
        "optimizer": partial(SGD),
        "schedule": Constant(lr=0.05),
        "batch": 64,
        "epochs": 1,
    }
    names = [name for name in tumours.columns if name != "benign"]
    return Training(**settings | changes).fit(tumours, features=names, label="benign", validation=tumours)


def test_a_table_and_files_give_the_figures_of_validation(tumours: pd.DataFrame, tmp_path: Path) -> None:
    model = fitted(tumours, metrics=METRICS)
    last = model.history[-1]
    found = model.evaluate(tumours, METRICS, batch=100)
    assert found == pytest.approx(last.metrics, rel=1e-6)
    assert found["loss"] == pytest.approx(last.validation)
    with torch.no_grad():
        scores = model.module(torch.tensor(tumours.drop(columns="benign").to_numpy(), dtype=torch.float32))
    assert found["average_precision"] == pytest.approx(average_precision_score(tumours["benign"], scores[:, 0]))
    tumours.to_parquet(tmp_path / "rows.parquet", index=False)
    assert model.evaluate(ds.dataset(tmp_path / "rows.parquet"), METRICS) == pytest.approx(found, rel=1e-6)


def test_a_frame_of_any_partitions_gives_the_same(spark: SparkSession, tumours: pd.DataFrame) -> None:
    model = fitted(tumours)
    whole = model.evaluate(tumours, METRICS)
    for partitions in (1, 3):
        frame = spark.createDataFrame(tumours).repartition(partitions)
        assert model.evaluate(frame, METRICS) == pytest.approx(whole, rel=1e-6)
    assert model.evaluate(frame.filter("mean_radius < 9"), [Accuracy()])["accuracy"] > 0.5
    with pytest.raises(ValueError, match="metrics need rows, got none"):
        model.evaluate(frame.filter("mean_radius > 99"), METRICS)


def test_rows_without_a_label_and_no_metrics_are_refused(tumours: pd.DataFrame) -> None:
    model = fitted(tumours)
    with pytest.raises(ValueError, match="benign in 1 rows"):
        model.evaluate(tumours.assign(benign=[None, *tumours["benign"][1:]]), METRICS)
    with pytest.raises(ValueError, match="needs at least one metric"):
        model.evaluate(tumours, [])
