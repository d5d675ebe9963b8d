"""What a worker holds with the optimizer's state whole and sharded, and how fast it is: ``python -m tests.bench.dlcore.sharded``.

Told is what is resident, with the freed pages that malloc keeps, and what of malloc's is in use.
"""

import os
import statistics
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim import Adam

from dlcore import Constant, Training
from dlcore.step.progress import told
from tests.bench.dlcore.session import session

WIDTH, DEPTH = 2048, 6


def main() -> None:
    print(f"{DEPTH * WIDTH * (WIDTH + 1) / 1e6:.1f} M parameters, Adam, 2 workers")
    for sharded in (False, True):
        measure(sharded)


def measure(sharded: bool) -> None:
    """Train in a session of its own, since a worker keeps its pages."""
    spark = session()
    rows = np.random.default_rng(1).standard_normal((256, WIDTH), dtype=np.float32)
    frame = spark.createDataFrame(pd.DataFrame({"x": list(rows), "y": rows.sum(axis=1)}))
    with tempfile.TemporaryDirectory() as place:

        def loss(prediction: Tensor, target: Tensor) -> Tensor:
            Path(place, f"held-{os.getpid()}").write_text(f"{resident_mb()} {psutil.heap_info().heap_used // 2**20}")
            return mse_loss(prediction.mean(dim=1), target)

        fitted = Training(
            model=lambda: nn.Sequential(*[nn.Linear(WIDTH, WIDTH) for _ in range(DEPTH)]),
            loss=loss,
            optimizer=partial(Adam),
            schedule=Constant(lr=1e-5),
            batch=32,
            epochs=4,
            shard_optimizer=sharded,
        ).fit(frame, features=["x"], label="y", workers=2, folder=f"{place}/run")
        held = sorted(file.read_text() for file in Path(place).glob("held-*"))
    speed = statistics.median(record.rows_per_s for record in fitted.history[1:])
    print(
        f"{'sharded' if sharded else 'whole':8s} {' and '.join(held)} MB a worker, resident and in use, {speed:.0f} rows/s, "
        f"{told(fitted.time_shares)}",
        flush=True,
    )
    spark.stop()


def resident_mb() -> int:
    """This process's anonymous memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) // 1024


if __name__ == "__main__":
    main()
