"""What went wrong on a worker is what the driver raises, whatever the other workers are at, or what Spark makes of it."""

import os
import signal
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from py4j.protocol import Py4JJavaError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim import SGD

from dlcore import Constant, Fitted, Training
from dlcore.spark.group import LostWorkers


@pytest.fixture
def frame(spark: SparkSession) -> DataFrame:
    return spark.range(0, 40, 1, 2).select(F.sin("id").alias("x"), F.col("id").cast("float").alias("y"))


def fit(frame: DataFrame, folder: Path, *, validation: DataFrame | None = None, **settings: Any) -> Fitted:
    fixed: dict[str, Any] = {"optimizer": partial(SGD), "schedule": Constant(lr=0.01), "batch": 20, "epochs": 1}
    training = Training(model=lambda: nn.Linear(1, 1), **(fixed | settings))
    return training.fit(frame, features=["x"], label="y", workers=2, folder=str(folder), validation=validation)


def test_an_error_is_raised_though_the_other_worker_is_busy(frame: DataFrame, tmp_path: Path) -> None:
    def picky(prediction: Tensor, target: Tensor) -> Tensor:
        if torch.is_inference_mode_enabled():
            if float(target.max()) > 19:  # of the second worker, whose share these rows are
                raise ArithmeticError("over 19 is too much")
            time.sleep(600)
        return mse_loss(prediction, target)

    with pytest.raises(ArithmeticError, match="over 19 is too much") as caught:
        fit(frame, tmp_path, loss=picky, patience_s=4, validation=frame)
    assert "raised on rank" in caught.value.__notes__[0]
    assert "in picky" in caught.value.__notes__[0]


def test_a_module_that_workers_do_not_have_is_named_at_once(
    frame: DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "only_here.py").write_text(
        "from torch.nn.functional import mse_loss\n\ndef loss(*a): return mse_loss(*a)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    only_here: Any = __import__("only_here")
    with pytest.raises(
        LostWorkers, match=r"none would if it was tried again: ModuleNotFoundError.*'only_here'"
    ) as caught:
        fit(frame, tmp_path / "run", loss=only_here.loss)
    monkeypatch.delitem(sys.modules, "only_here")
    assert isinstance(caught.value.__cause__, Py4JJavaError)
    assert "runs again" not in caplog.text


def test_the_cause_of_lost_workers_is_told_and_chained(frame: DataFrame, tmp_path: Path) -> None:
    def dies(prediction: Tensor, target: Tensor) -> Tensor:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    with pytest.raises(LostWorkers, match=r"failed 1 times, last: .*exited unexpectedly") as caught:
        fit(frame, tmp_path, loss=dies, retries=0)
    assert isinstance(caught.value.__cause__, Py4JJavaError)
