"""Rows scored a second beside an identity ``mapInArrow`` of the same rows: a perceptron of 30 columns, and a small convolutional network.

`python -m tests.bench.dlcore.prediction [ROWS] [PICTURES]`
"""

import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

import pyarrow as pa
import torch
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from torch import nn

from dlcore import Field, Output
from dlcore.data.fields import Tensors
from dlcore.scoring.prediction import Prediction
from tests.bench.dlcore.session import session

COLUMNS = [f"x{number}" for number in range(30)]
BATCHES = (None, 32, 256, 1024, 8192)


def perceptron() -> nn.Module:
    return nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 1))


def convolutions() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 14 * 14, 1),
    )


def tables(spark: SparkSession, rows: int) -> DataFrame:
    frame = spark.range(0, rows, 1, 2)
    return frame.select(*[F.rand(seed).alias(name) for seed, name in enumerate(COLUMNS)])


def pictures(spark: SparkSession, rows: int) -> DataFrame:
    row = F.transform(F.sequence(F.lit(1), F.lit(784)), lambda at: (F.rand(1) + at / 784).cast("float"))
    return spark.range(0, rows, 1, 2).select(row.alias("pixels"))


def identity(frame: DataFrame) -> DataFrame:
    def same(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from batches

    return frame.mapInArrow(same, frame.schema)


def seconds(frame: DataFrame) -> float:
    before = time.perf_counter()
    frame.write.format("noop").mode("overwrite").save()
    return time.perf_counter() - before


def compare(name: str, frame: DataFrame, model: Callable[[], nn.Module], features: Tensors) -> None:
    kept = frame.cache()
    rows = kept.count()
    torch.manual_seed(1)
    predicting = partial(Prediction, module=model().eval(), features=features, outputs={"y": Output()})
    seconds(predicting()(kept.limit(100)))  # torch is imported
    identical = min(seconds(identity(kept)) for _ in range(3))
    print(f"{name}: identity {identical:.2f} s, {rows / identical:,.0f} rows/s", flush=True)
    for batch in BATCHES:
        found = min(seconds(predicting(batch=batch)(kept)) for _ in range(3))
        print(
            f"{name}: batch {batch or 'fitting'}: {found:.2f} s, {rows / found:,.0f} rows/s, {identical / found:.2f} of identity",
            flush=True,
        )
    kept.unpersist()


def main(rows: int = 1_000_000, images: int = 20_000) -> None:
    spark = session()
    compare("perceptron", tables(spark, rows), perceptron, COLUMNS)
    compare("convolutions", pictures(spark, images), convolutions, Field("pixels", shape=(1, 28, 28)))
    spark.stop()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
