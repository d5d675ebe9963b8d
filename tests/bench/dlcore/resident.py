"""Rows a second with ten million rows in memory against sixty thousand, same model and batch: ``python -m tests.bench.dlcore.resident``.

Two workers, a perceptron of four columns at a batch of 2048; the speed over all epochs but the first. Both take turns, medians of three.
"""

import statistics
import tempfile
from functools import partial
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from torch import nn
from torch.nn.functional import mse_loss
from torch.optim import SGD

from dlcore import Constant, Training
from dlcore.data.pieces import RESIDENT_BYTES
from tests.bench.dlcore.larger import steady
from tests.bench.dlcore.session import session

COLUMNS = ["a", "b", "c", "d"]
MANY, FEW, ROUNDS, GOAL = 10_000_000, 60_000, 3, 0.95
BYTES_A_ROW = 4 * len(COLUMNS) + 4


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(len(COLUMNS), 64), nn.ReLU(), nn.Linear(64, 1))


def frame(spark: SparkSession, rows: int) -> DataFrame:
    columns = [F.rand(seed).cast("float").alias(name) for seed, name in enumerate(COLUMNS)]
    return spark.range(0, rows, 1, 2).select(*columns, F.rand(9).cast("float").alias("y"))


def speed(rows: DataFrame, folder: str, *, epochs: int) -> float:
    training = Training(
        model=network,
        loss=mse_loss,
        optimizer=partial(SGD, momentum=0.9),
        schedule=Constant(lr=0.01),
        batch=2048,
        epochs=epochs,
    )
    fitted = training.fit(rows, features=COLUMNS, label="y", workers=2, folder=folder)
    return steady(fitted)[0]


def main() -> None:
    print(next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")))
    if MANY * BYTES_A_ROW > RESIDENT_BYTES:
        raise ValueError(f"{MANY} rows of {BYTES_A_ROW} bytes are not held in memory, which ends at {RESIDENT_BYTES}")
    spark = session({"spark.driver.memory": "3g", "spark.python.daemon.module": "dlcore.spark.daemon"})
    with tempfile.TemporaryDirectory() as place:
        turns = []
        for turn in range(ROUNDS):
            many = speed(frame(spark, MANY), f"{place}/many-{turn}", epochs=2)
            few = speed(frame(spark, FEW), f"{place}/few-{turn}", epochs=60)
            turns.append((many, few))
            print(f"{MANY:,} rows: {many:,.0f} rows/s; {FEW:,}: {few:,.0f} rows/s; {many / few:.3f}", flush=True)
    ratio = statistics.median(many / few for many, few in turns)
    print(f"median {ratio:.3f}; at least {GOAL}: {'reached' if ratio >= GOAL else 'MISSED'}")
    spark.stop()


if __name__ == "__main__":
    main()
