"""What a training promises, on any master with two slots: ``points.py MASTER FOLDER``. It ends at the first that does not hold."""

import logging
import sys
from dataclasses import replace
from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim import Adam

from dlcore import Constant, Progress, Training
from tests.faults.program import digest, session

TRAINING = Training(
    model=lambda: nn.Sequential(nn.Linear(3, 16), nn.Dropout(0.1), nn.ReLU(), nn.Linear(16, 1)),
    loss=mse_loss,
    optimizer=partial(Adam),
    schedule=Constant(lr=0.01),
    batch=50,
    epochs=4,
    seed=5,
)


class Heard(logging.Handler):
    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def picky(prediction: Tensor, target: Tensor) -> Tensor:
    print("here comes an error", flush=True)
    raise ArithmeticError(f"I do not like {len(target)} rows")


def fit(training: Training, frame: DataFrame, folder: str, *, stop: int = 0, workers: int = 2) -> str:
    def tell(record: Progress) -> bool:
        return record.epoch == stop

    features = ["x1", "x2", "x3"]
    fitted = training.fit(frame, features=features, label="y", workers=workers, folder=folder, on_progress=tell)
    first, last = fitted.history[0], fitted.history[-1]
    assert (last.step < 40 and last.loss > 0) if stop else (last.step == 40 and last.loss < first.loss), fitted.history
    return digest(fitted.module)


def error_of(training: Training, frame: DataFrame, folder: str, *, workers: int = 2) -> Exception:
    try:
        fit(training, frame, folder, workers=workers)
    except (ArithmeticError, TimeoutError) as error:
        return error
    raise AssertionError("an error was expected")


def main(master: str, folder: str) -> None:
    heard = Heard(logging.INFO)
    logging.getLogger("dlcore").addHandler(heard)
    logging.getLogger("dlcore").setLevel(logging.INFO)
    spark = session(master)
    spark.sparkContext.setLogLevel("OFF")
    rows = spark.range(0, 500, 1, 2).select(*[F.sin(F.col("id") * i).alias(f"x{i}") for i in (1, 2, 3)])
    frame = rows.withColumn("y", F.col("x1") * F.col("x2"))
    whole = fit(TRAINING, frame, f"{folder}/whole")
    fit(replace(TRAINING, group_s=0.001), frame, f"{folder}/stopped", stop=1)
    assert fit(TRAINING, frame, f"{folder}/stopped") == whole, "resumed is not unbroken"
    assert fit(replace(TRAINING, shard_optimizer=True), frame, f"{folder}/sharded") == whole, "sharded is not whole"
    own = error_of(replace(TRAINING, loss=picky), frame, f"{folder}/error")
    assert str(own) == "I do not like 25 rows", own
    assert "raised on rank" in own.__notes__[0] and "in picky" in own.__notes__[0], own.__notes__
    assert {"rank 0: here comes an error", "rank 1: here comes an error"} & {*heard.messages}, heard.messages
    few = error_of(replace(TRAINING, slots_wait_s=0.1), frame, f"{folder}/slots", workers=64)
    assert "needs 64 task slots at once, the Spark application has 2" in str(few), few
    print("every point holds", flush=True)
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
