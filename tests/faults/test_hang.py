"""A worker that hangs in the user's code is found by the others' patience or the driver's, ended, and its group run again."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim import SGD

from dlcore import Constant, Training


def hanging_once(mark: Path, when: Callable[[Tensor], bool]) -> Callable[[Tensor, Tensor], Tensor]:
    def loss(prediction: Tensor, target: Tensor) -> Tensor:
        if when(target) and not mark.exists():
            mark.touch()
            time.sleep(600)
        return mse_loss(prediction, target)

    return loss


def training(loss: Callable[[Tensor, Tensor], Tensor]) -> Training:
    return Training(
        model=lambda: nn.Linear(1, 1),
        loss=loss,
        optimizer=partial(SGD),
        schedule=Constant(lr=0.1),
        batch=20,
        epochs=2,
        patience_s=2,
    )


def test_a_hanging_worker_costs_one_group(
    spark: SparkSession, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    loss = hanging_once(
        tmp_path / "hung", lambda target: len(target) == 4
    )  # the second worker's share of the last batch
    frame = spark.range(109).select(F.sin("id").alias("x"), F.cos("id").alias("y"))
    fitted = training(loss).fit(frame, features=["x"], label="y", workers=2, folder=str(tmp_path / "run"))
    assert fitted.history[-1].step == 12
    assert any("runs again from the last commit" in line for line in caplog.messages)


def test_a_worker_that_hangs_alone_costs_one_group(
    spark: SparkSession, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    loss = hanging_once(tmp_path / "hung", lambda target: len(target) == 9)  # the last batch
    frame = spark.range(109).select(F.sin("id").alias("x"), F.cos("id").alias("y"))
    fitted = training(loss).fit(frame, features=["x"], label="y", folder=str(tmp_path / "run"))
    assert fitted.history[-1].step == 12
    assert any("no worker has finished a batch for 4 s" in line for line in caplog.messages)
