"""A worker that hangs in the user's code is found by the others' patience, ended, and its group run again."""

import time
from functools import partial
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim import SGD

from dlcore import Constant, Training


def test_a_hanging_worker_costs_one_group(
    spark: SparkSession, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def hangs_once(prediction: Tensor, target: Tensor) -> Tensor:
        mark = tmp_path / "hung"
        if len(target) == 4 and not mark.exists():  # the second worker's share of the last batch
            mark.touch()
            time.sleep(600)
        return mse_loss(prediction, target)

    training = Training(
        model=lambda: nn.Linear(1, 1),
        loss=hangs_once,
        optimizer=partial(SGD),
        schedule=Constant(lr=0.1),
        batch=20,
        epochs=2,
        patience_s=2,
    )
    frame = spark.range(109).select(F.sin("id").alias("x"), F.cos("id").alias("y"))
    fitted = training.fit(frame, features=["x"], label="y", workers=2, folder=str(tmp_path / "run"))
    assert fitted.history[-1].step == 12
    assert any("runs again from the last commit" in line for line in caplog.messages)
