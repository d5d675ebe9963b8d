"""A script whose executors go and come: ``elastic.py FOLDER``. It prints each record's step and rate, and how often rows were taken.

The model is a count for each row, which a step raises by one for the rows that it takes.
"""

import logging
import os
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

import torch
from pyspark.sql import SparkSession
from torch import Tensor, nn
from torch.optim import Optimizer

from dlcore import Constant, EveryEpochs, Progress, Training
from tests.faults.program import session

ROWS, EPOCHS = 403, 12


class Counts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.counts = nn.Embedding(ROWS, 1)
        nn.init.zeros_(self.counts.weight)

    def forward(self, x: Tensor) -> Tensor:
        time.sleep(0.01)
        return self.counts(x.long())  # type: ignore[no-any-return]


class Counting(Optimizer):
    def __init__(self, params: Iterable[Tensor], *, lr: float) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.add_(parameter.grad != 0)


def taken(prediction: Tensor, target: Tensor) -> Tensor:
    return prediction.mean()


class Executors:
    """Takes an executor away, and brings one back, while training goes on."""

    def __init__(self, spark: SparkSession) -> None:
        java: Any = spark.sparkContext._jsc
        self._context = java.sc()
        self._profile = self._context.resourceProfileManager().defaultResourceProfile()

    def tell(self, record: Progress) -> None:
        print("step", record.step, "rate", record.lr, flush=True)
        if record.epoch == 2:
            self._context.killExecutor(str(self._context.getExecutorIds().apply(0)))
            self._wait_for(1)
        if record.epoch == 6:
            self._context.requestExecutors(2)  # in all: Spark has forgotten the one that is left
            self._wait_for(2)

    def _wait_for(self, slots: int) -> None:
        while self._context.maxNumConcurrentTasks(self._profile) != slots:
            time.sleep(0.1)


def main(folder: str) -> None:
    logging.basicConfig(level=logging.WARNING, stream=sys.stdout, format="%(message)s")
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
    spark = session("local-cluster[2,1,1024]")
    spark.sparkContext.setLogLevel("OFF")
    training = Training(
        model=Counts,
        loss=taken,
        optimizer=Counting,
        schedule=Constant(lr=0.02),
        batch=50,
        epochs=EPOCHS,
        group_s=0.2,
        kept_batch="worker",
        least_workers=1,
        slots_wait_s=0.5,
        record=EveryEpochs(),
    )
    frame = spark.range(0, ROWS, 1, 2).selectExpr("cast(id as float) as x", "id as y")
    executors = Executors(spark)
    fitted = training.fit(frame, features=["x"], label="y", workers=2, folder=folder, on_progress=executors.tell)
    counts = next(fitted.module.parameters())
    print("taken", float(counts.min()), float(counts.max()), flush=True)
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
