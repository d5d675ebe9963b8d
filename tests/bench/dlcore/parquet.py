"""From Parquet files to a trained perceptron, beside a plain torch loop: ``python -m tests.bench.dlcore.parquet [--daemon]``.

A million rows of thirty floats, three epochs at a batch of 2048, everything from call to result. The plain loop reads the files with
pyarrow, holds them in memory and trains with two threads. dlcore trains in this process, and on two workers of a Spark session that is
there, whose Python comes with ``--daemon`` from one that has torch loaded: of the same files as a pyarrow dataset, and as a DataFrame,
whose rows Spark reads. All have torch's fused SGD, and take turns, medians of five.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from pyarrow.dataset import Dataset, dataset
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.optim import SGD

from dlcore import Constant, Training
from dlcore.step.progress import told
from tests.bench.dlcore.session import session

FEATURES = [f"x{number}" for number in range(30)]
ROWS, EPOCHS, BATCH, ROUNDS, GOAL = 1_000_000, 3, 2048, 5, 0.8
WAYS = "in this process", "on Spark, a dataset", "on Spark, a DataFrame"


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 1))


def plain(files: str) -> None:
    torch.set_num_threads(2)
    table = pq.read_table(files)
    x = torch.from_numpy(np.stack([table[name].to_numpy() for name in FEATURES], axis=1))
    y = torch.from_numpy(table["y"].to_numpy()).float()
    model = network()
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9, fused=True)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(BATCH):  # type: ignore[no-untyped-call]
            optimizer.zero_grad()
            binary_cross_entropy_with_logits(model(x[rows]).squeeze(1), y[rows]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()


def ours(data: DataFrame | Dataset, workers: int, folder: str) -> None:
    training = Training(
        model=network,
        loss=binary_cross_entropy_with_logits,
        optimizer=partial(SGD, momentum=0.9, fused=True),
        schedule=Constant(lr=0.1),
        batch=BATCH,
        epochs=EPOCHS,
    )
    fitted = training.fit(data, features=FEATURES, label="y", workers=workers, folder=folder)
    steps = sum(record.seconds for record in fitted.history)
    print(f"  of dlcore's time with {workers} workers: steps {steps:.1f} s; {told(fitted.time_shares)}")


def seconds(work: Callable[[], None]) -> float:
    before = time.perf_counter()
    work()
    return time.perf_counter() - before


def main() -> None:
    print(next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")))
    spark = session({"spark.python.daemon.module": "dlcore.spark.daemon"} if "--daemon" in sys.argv else None)
    columns = [F.rand(number).cast("float").alias(name) for number, name in enumerate(FEATURES)]
    turns = []
    with tempfile.TemporaryDirectory() as place:
        spark.range(0, ROWS, 1, 2).select(*columns, (F.rand(99) > 0.5).cast("int").alias("y")).write.parquet(
            f"{place}/rows"
        )
        files = f"{place}/rows"
        for turn in range(ROUNDS):
            torch.set_num_threads(2)
            given = (dataset(files), 1), (dataset(files), 2), (spark.read.parquet(files), 2)
            works = [partial(ours, *each, f"{place}/{turn}-{number}") for number, each in enumerate(given)]
            turns.append([seconds(work) for work in (partial(plain, files), *works)])
            named = zip(("plain loop", *WAYS), turns[-1], strict=True)
            print("; ".join(f"{name} {taken:.2f} s" for name, taken in named), flush=True)
    for number, name in enumerate(WAYS, 1):
        ratio = statistics.median(times[0] / times[number] for times in turns)
        print(f"plain loop / {name}: {ratio:.2f}; at least {GOAL}: {'reached' if ratio >= GOAL else 'MISSED'}")
    spark.stop()


if __name__ == "__main__":
    main()
