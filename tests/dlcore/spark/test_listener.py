"""What goes wrong while the driver listens ends neither its guard nor the run's commits, and is told."""

import logging
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from torch import nn
from torch.nn.functional import mse_loss
from torch.optim import SGD

from dlcore import Constant, EveryEpochs, Progress, Training
from dlcore.parallel.collective import BrokenGroup
from dlcore.run.control import ControlServer
from dlcore.spark.watchdog import Limits, Watchdog


def test_an_error_of_a_callback_stops_the_run_with_a_commit_and_is_raised(spark: SparkSession, tmp_path: Path) -> None:
    training = Training(
        model=lambda: nn.Linear(1, 1),
        loss=mse_loss,
        optimizer=partial(SGD),
        schedule=Constant(lr=0.01),
        batch=10,
        epochs=3,
        record=EveryEpochs(),
    )
    rows = spark.range(0, 40, 1, 2).select(F.sin("id").alias("x"), F.col("id").cast("float").alias("y"))
    fit = partial(training.fit, rows, features=["x"], label="y", workers=2, folder=tmp_path)
    told: list[int] = []

    def fails(record: Progress) -> None:
        told.append(record.step)
        raise ArithmeticError("of my own")

    with pytest.raises(ArithmeticError, match="of my own"):
        fit(on_progress=fails)
    assert told == [4], "it is not called again"
    assert [record.step for record in fit().history] == [4, 8, 12]


def test_the_guard_goes_on_after_an_error_of_its_own(spark: SparkSession, caplog: pytest.LogCaptureFixture) -> None:
    limits = Limits(workers=2, slots_s=60, begin_s=60, batch_s=0.1, end_s=60)
    with closing(ControlServer("127.0.0.1")) as control, caplog.at_level(logging.WARNING, logger="dlcore"):
        control.post("group/arrived", "no number")
        watchdog = Watchdog(spark, control, "group", limits)
        with watchdog.watching():
            while "could not look after the group, and tries again" not in caplog.text:
                time.sleep(0.05)
            control.post("group/arrived", 2)
            control.post("group/signs", 1)
            while watchdog.cause is None:
                time.sleep(0.05)
    assert isinstance(watchdog.cause, BrokenGroup)
