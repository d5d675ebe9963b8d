"""A data scientist's script, killed by the tests: ``program.py MASTER FOLDER [EPOCHS [CONF=VALUE ...]]``.

A CONF ``training.FIELD`` is a number that Training gets, any other a setting of Spark's. It prints a line a record and its weights' hash.
For each share of a step that a worker computes, ``FOLDER.computed`` grows by a byte; who finds ``FOLDER.computed.hang`` hangs, and as
long as there is ``FOLDER.computed.slow``, each takes its time.
"""

import ctypes
import hashlib
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim import SGD

from dlcore import Constant, Progress, Training
from dlcore.storage.folder import Place


class Slow(nn.Module):
    """A model class of ``__main__``, slow enough to be killed in mid-group."""

    def __init__(self, computed: str) -> None:
        super().__init__()
        self.computed = computed
        self.layers = nn.Sequential(nn.Linear(3, 16), nn.Dropout(0.1), nn.ReLU(), nn.Linear(16, 1))

    def forward(self, x: Tensor) -> Tensor:
        time.sleep(0.3 if os.path.exists(f"{self.computed}.slow") else 0.01)
        with open(self.computed, "ab", buffering=0) as computed:
            computed.write(b".")
        if os.path.exists(f"{self.computed}.hang"):
            hang(f"{self.computed}.hang")
        return self.layers(x)  # type: ignore[no-any-return]


def hang(asked: str) -> None:
    """Hold Python's lock for ever, where this process is the first that is asked to."""
    with suppress(FileNotFoundError):
        os.remove(asked)
        ctypes.PyDLL(None).sleep(10_000)


def session(master: str, *settings: str) -> SparkSession:
    builder = SparkSession.builder.master(master).config("spark.ui.enabled", "false")
    for name in ("spark.driver.bindAddress", "spark.driver.host"):
        builder = builder.config(name, os.environ.get("SPARK_LOCAL_IP", "127.0.0.1"))
    builder = builder.config("spark.python.daemon.module", "dlcore.spark.daemon")
    for name, value in (setting.split("=") for setting in settings):
        builder = builder.config(name, value)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    return builder.getOrCreate()


def tell(record: Progress) -> None:
    print("step", record.step, flush=True)


def digest(model: nn.Module) -> str:
    return hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in model.parameters())).hexdigest()


def trained(spark: SparkSession, model: Callable[[], nn.Module], folder: Place, **settings: Any) -> str:
    """The hash of the weights that a training of ``model`` ends with, on two workers."""
    rows = spark.range(0, 500, 1, 2).select(*[F.sin(F.col("id") * i).alias(f"x{i}") for i in (1, 2, 3)])
    known: dict[str, Any] = {"epochs": 20, "group_s": 1.0, "patience_s": 30.0}
    training = Training(
        model=model,
        loss=mse_loss,
        optimizer=partial(SGD, momentum=0.9),
        schedule=Constant(lr=0.01),
        batch=50,
        seed=5,
        **known | settings,
    )
    frame = rows.withColumn("y", F.col("x1") * F.col("x2"))
    fitted = training.fit(frame, features=["x1", "x2", "x3"], label="y", workers=2, folder=folder, on_progress=tell)
    return digest(fitted.module)


def main(master: str, folder: str, epochs: str = "20", *conf: str) -> None:
    given = [setting for setting in conf if setting.startswith("training.")]
    numbers = {name.removeprefix("training."): json.loads(value) for name, value in (each.split("=") for each in given)}
    logging.basicConfig(level=logging.WARNING, stream=sys.stdout, format="%(message)s")
    logging.getLogger("dlcore").addFilter(lambda record: record.levelno != logging.INFO)
    logging.getLogger("dlcore").setLevel(logging.DEBUG)
    spark = session(master, *(setting for setting in conf if setting not in given))
    spark.sparkContext.setLogLevel("OFF")
    model = partial(Slow, f"{folder}.computed")
    print("weights", trained(spark, model, folder, epochs=int(epochs), **numbers), flush=True)
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
