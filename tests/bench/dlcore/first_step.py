"""From a DataFrame of a million rows and thirty floats to the first record, 100 steps in: ``python -m tests.bench.dlcore.first_step``."""

import sys
import tempfile
import time
from functools import partial

from pyspark.sql import functions as F
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.optim import SGD

from dlcore import Constant, Training
from tests.bench.dlcore.session import session


def main() -> None:
    spark = session({"spark.python.daemon.module": "dlcore.spark.daemon"} if "--daemon" in sys.argv else None)
    features = [f"x{number}" for number in range(30)]
    columns = [F.rand(number).cast("float").alias(name) for number, name in enumerate(features)]
    spark.range(10).count()
    with tempfile.TemporaryDirectory() as place:
        spark.range(1_000_000).select(*columns, F.lit(0).alias("y")).write.parquet(f"{place}/rows")
        frame = spark.read.parquet(f"{place}/rows")
        training = Training(
            model=lambda: nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 1)),
            loss=binary_cross_entropy_with_logits,
            optimizer=partial(SGD, momentum=0.9),
            schedule=Constant(lr=0.1),
            batch=2048,
            epochs=1,
        )
        started = time.perf_counter()
        first: list[float] = []
        training.fit(
            frame,
            features=features,
            label="y",
            workers=2,
            folder=f"{place}/run",
            on_progress=lambda _: first.append(time.perf_counter() - started),
        )
        print(f"first record after {first[0]:.1f} s, the epoch's {len(first)} records after {first[-1]:.1f} s")
    spark.stop()


if __name__ == "__main__":
    main()
