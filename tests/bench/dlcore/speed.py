"""Speed beside the peers, in one run: ``python -m tests.bench.dlcore.speed lenet MNIST_FOLDER`` or ``... inception``.

Two executors of one core, or what ``--master`` says, against DistributedDataParallel in two processes of TorchDistributor and one
torch process with two threads. Steady state is the median of an epoch's speed after the first; wall clock includes everything from
call to result: starts, data, groups, commits. Each reads its data from files that are there: dlcore a Parquet table, the peers numpy's.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from pyspark.ml.torch.distributor import TorchDistributor
from pyspark.sql import SparkSession
from torch.nn.functional import cross_entropy
from torch.optim import SGD

from dlcore import Constant, Training
from dlcore.step.progress import told
from dlcore.zoo.classifiers import LeNet, inception
from tests.bench.dlcore.peers import ddp, saved, tuned
from tests.bench.dlcore.pictures import mnist, pictures, unpacked
from tests.bench.dlcore.session import session


def ours(
    spark: SparkSession, model: Callable[[], object], table: str, batch: int, epochs: int, precision: str
) -> list[float]:
    training = Training(
        model=model,  # type: ignore[arg-type]
        loss=cross_entropy,
        optimizer=partial(SGD, momentum=0.9),
        schedule=Constant(lr=0.05),
        batch=batch,
        epochs=epochs,
        precision=precision,  # type: ignore[arg-type]
    )
    folder = tempfile.mkdtemp(prefix="dlcore-bench-")
    fitted = training.fit(spark.read.parquet(table), features=["pixels"], label="digit", workers=2, folder=folder)
    shutil.rmtree(folder)
    print(f"  of dlcore's time: {told(fitted.time_shares)}")
    return [record.rows_per_s for record in fitted.history]


@dataclass(frozen=True)
class Timing:
    """Rows per second: of steps in steady state, and over everything from call to result."""

    steady: float
    overall: float


def timed(name: str, run: Callable[[], list[float]], rows: int) -> Timing:
    """Time a run over so many ``rows``, counted once an epoch."""
    started = time.perf_counter()
    speeds = run()
    seconds = time.perf_counter() - started
    timing = Timing(statistics.median(speeds[1:]), rows / seconds)
    print(f"{name:50s} {timing.steady:10.1f} rows/s steady, {seconds:6.1f} s wall clock", flush=True)
    return timing


def peers(kind: str, file: Path, batch: int, epochs: int, folder: Path | None) -> dict[str, Callable[[], list[float]]]:
    """Each peer by name; with MNIST's ``folder``, DDP reads it as PyTorch's example does too."""
    build = LeNet if kind == "lenet" else inception

    def distributed(source: Path) -> list[float]:
        distributor = TorchDistributor(num_processes=2, local_mode=True, use_gpu=False)
        return list(distributor.run(ddp, kind, str(source), batch, epochs) or ())

    found: dict[str, Callable[[], list[float]]] = {
        "one tuned torch process, 2 threads": lambda: tuned(build(), str(file), batch, epochs, threads=2),
        "DDP under TorchDistributor, rows in memory": lambda: distributed(file),
    }
    if folder is not None:
        found["DDP under TorchDistributor, MNIST by torchvision"] = lambda: distributed(unpacked(folder, file.parent))
    return found


def compare(
    spark: SparkSession,
    kind: str,
    data: pd.DataFrame,
    *,
    batch: int,
    epochs: int,
    against: list[str],
    folder: Path | None,
) -> None:
    build = LeNet if kind == "lenet" else inception
    file = saved(np.stack(data["pixels"].tolist()), data["digit"].to_numpy())
    table = str(file.parent / "table")
    spark.createDataFrame(data).write.parquet(table)
    chosen = {n: run for n, run in peers(kind, file, batch, epochs, folder).items() if n.split()[0].lower() in against}
    rows = epochs * len(data)
    theirs = {name: timed(name, run, rows) for name, run in chosen.items()}
    for precision in ["float32"] if kind == "lenet" else ["float32", "bfloat16"]:
        run = partial(ours, spark, build, table, batch, epochs, precision)
        mine = timed(f"dlcore, 2 workers, {precision}", run, rows)
        for name, its in theirs.items():
            print(f"  against {name}: {mine.steady / its.steady:.2f}, by wall clock {mine.overall / its.overall:.2f}")
    shutil.rmtree(file.parent)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("work", choices=["lenet", "inception"])
    arguments.add_argument("folder", nargs="?", type=Path, help="the four MNIST idx files, for lenet")
    arguments.add_argument("--epochs", type=int, default=15)
    arguments.add_argument(
        "--rows", type=int, default=None, help="take fewer rows than all of MNIST, or than 128 pictures"
    )
    arguments.add_argument("--against", nargs="+", default=["one", "ddp"], choices=["one", "ddp"])
    arguments.add_argument(
        "--daemon", action="store_true", help="Spark's Python workers from a daemon that has torch loaded"
    )
    arguments.add_argument(
        "--master", default="local-cluster[2,1,2048]", help="such as local[2]: both workers in one JVM"
    )
    chosen = arguments.parse_args()
    options = {"spark.driver.memory": "3g", "spark.executor.memory": "2g", "spark.rpc.message.maxSize": "1024"}
    if chosen.daemon:
        options["spark.python.daemon.module"] = "dlcore.spark.daemon"
    spark = session(options, master=chosen.master)
    print(next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")))
    data = mnist(chosen.folder, "train")[: chosen.rows] if chosen.work == "lenet" else pictures(chosen.rows or 128)
    folder = chosen.folder if chosen.work == "lenet" else None
    batch = 2048 if chosen.work == "lenet" else 32
    compare(spark, chosen.work, data, batch=batch, epochs=chosen.epochs, against=chosen.against, folder=folder)
    spark.stop()


if __name__ == "__main__":
    main()
