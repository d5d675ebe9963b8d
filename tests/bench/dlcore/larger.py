"""Training on data three times what a worker may keep resident: ``python -m tests.bench.dlcore.larger``.

Two single-core workers train on the same rows mapped and held in memory. What counts is anonymous memory, which the kernel cannot drop and
read again (RssAnon of each Python worker, sampled each tenth of a second); what training itself needs is that of a run on few rows.
"""

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim import SGD

from dlcore import Constant, Field, Fitted, Training
from dlcore.data.pieces import RESIDENT_BYTES
from tests.bench.dlcore.session import session

WIDTH = 1024
TIMES = 3
MB = 2**20


def frame(spark: SparkSession, size: int) -> DataFrame:
    """Rows of ``WIDTH`` random bytes that come to ``size`` bytes, and their mean to be learnt."""

    def make(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            seed = batch.column(0)[0].as_py()
            x = np.random.default_rng(seed).integers(0, 256, (batch.num_rows, WIDTH), np.uint8)
            yield pa.record_batch(
                [pa.array(list(map(bytes, x))), pa.array(x.mean(axis=1, dtype=np.float32))], names=["x", "y"]
            )

    return spark.range(0, size // WIDTH, 1, 4).mapInArrow(make, "x binary, y float")


class Perceptron(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(WIDTH, 256), nn.ReLU(), nn.Linear(256, 1))

    def forward(self, x: Tensor) -> Tensor:
        prediction: Tensor = self.layers(x.float() / 255)
        return prediction


class Watched:
    """The largest anonymous memory of any Python worker since the start, in bytes."""

    def __init__(self) -> None:
        self.peak = 0
        self._over = threading.Event()

    def watch(self) -> None:
        while not self._over.wait(0.1):
            self.peak = max([self.peak, *map(anonymous, psutil.Process().children(recursive=True))])

    def end(self) -> None:
        self._over.set()


@contextmanager
def watched() -> Iterator[Watched]:
    found = Watched()
    thread = threading.Thread(target=found.watch)
    thread.start()
    try:
        yield found
    finally:
        found.end()
        thread.join()


def anonymous(process: psutil.Process) -> int:
    """RssAnon of a Python process, zero of any other and of one that has just ended."""
    try:
        if "python" not in process.name():
            return 0
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    except (psutil.NoSuchProcess, psutil.ZombieProcess, OSError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon")), 0)


def train(rows: DataFrame, folder: str, *, resident_bytes: int, epochs: int) -> tuple[float, float, int]:
    """Rows a second after the first epoch, the share of the time that rank 0 waited for them, and the peak of a worker's own memory."""
    training = Training(
        model=Perceptron,
        loss=mse_loss,
        optimizer=partial(SGD, momentum=0.9),
        schedule=Constant(lr=0.01),
        batch=4096,
        epochs=epochs,
        resident_bytes=resident_bytes,
    )
    with watched() as memory:
        fitted = training.fit(rows, features=Field("x", shape=(WIDTH,)), label="y", workers=2, folder=folder)
    return *steady(fitted), memory.peak


def steady(fitted: Fitted) -> tuple[float, float]:
    """Rows a second after the first epoch, and the share of the time that rank 0 waited for them."""
    records = [record for record in fitted.history if record.epoch > 1]
    seconds = sum(record.seconds for record in records)
    rows = sum(record.rows_per_s * record.seconds for record in records)
    return rows / seconds, sum(record.data_s for record in records) / seconds


def main() -> None:
    print(next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")))
    started = time.perf_counter()
    size = TIMES * RESIDENT_BYTES
    with tempfile.TemporaryDirectory() as place:
        spark = session({"spark.driver.memory": "2g"})
        rows, few = frame(spark, size), frame(spark, 16 * MB)
        base = train(few, f"{place}/few", resident_bytes=0, epochs=2)[2]
        print(
            f"data {size // MB} MB; a worker may keep {RESIDENT_BYTES // MB} MB; training alone needs {base // MB} MB"
        )
        print(f"{'':10s}{'rows/s':>10s}{'waited for data':>18s}{'peak anonymous memory':>24s}{'of it for data':>17s}")
        speeds = []
        for name, limit in (("mapped", RESIDENT_BYTES), ("resident", size * 2)):
            speed, waited, peak = train(rows, f"{place}/{name}", resident_bytes=limit, epochs=3)
            speeds.append(speed)
            memory = f"{peak // MB:>21d} MB{(peak - base) // MB:>14d} MB"
            print(f"{name:10s}{speed:>10.0f}{100 * waited:>16.1f} %{memory}", flush=True)
        print(f"mapped against resident: {speeds[0] / speeds[1]:.2f}; all in {time.perf_counter() - started:.0f} s")
        spark.stop()


if __name__ == "__main__":
    main()
