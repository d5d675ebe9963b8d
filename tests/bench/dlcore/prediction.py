"""Rows scored a second beside an identity ``mapInArrow`` of the same rows: a perceptron of 30 columns, and a small convolutional network.

`python -m tests.bench.dlcore.prediction [ROWS] [PICTURES]`. All take turns, medians of six.
"""

import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
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
ROUNDS = 6


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


def _turn(works: Mapping[str, DataFrame], number: int) -> dict[str, float]:
    """What each takes, another one first at each turn: a work pays for the garbage of the one before it."""
    names = [*works]
    first = number % len(names)
    return {work: seconds(works[work]) for work in names[first:] + names[:first]}


def compare(name: str, frame: DataFrame, model: Callable[[], nn.Module], features: Tensors) -> None:
    kept = frame.cache()
    rows = kept.count()
    torch.manual_seed(1)
    predicting = partial(Prediction, module=model().eval(), features=features, outputs={"y": Output()})
    works = {"identity": identity(kept)}
    works |= {f"batch {batch or 'fitting'}": predicting(batch=batch)(kept) for batch in BATCHES}
    turns = [_turn(works, number) for number in range(ROUNDS + 1)][1:]  # once for imports and compilers
    for work in works:
        found, against = (
            statistics.median(each[work] for each in turns),
            [each[work] / each["identity"] for each in turns],
        )
        ratio = statistics.median(against)
        print(f"{name}: {work}: {found:.2f} s, {rows / found:,.0f} rows/s, {ratio:.2f} of identity's time", flush=True)
    kept.unpersist()


def main(rows: int = 1_000_000, images: int = 20_000) -> None:
    spark = session()
    compare("perceptron", tables(spark, rows), perceptron, COLUMNS)
    compare("convolutions", pictures(spark, images), convolutions, Field("pixels", shape=(1, 28, 28)))
    spark.stop()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
