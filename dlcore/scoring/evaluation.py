"""Metrics of a module on labelled rows, wherever they are: DataFrame, table or data set in, figures out.

The tasks of a DataFrame's partitions each give the state of their rows, and the driver merges those: nothing else comes through it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import torch
from torch import nn

from dlcore.data.cells import Rowed
from dlcore.data.fields import Tensors
from dlcore.data.layout import Layout, refuse_unusable
from dlcore.data.rows import Resident
from dlcore.data.sources import is_dataset, is_frame, table_of
from dlcore.data.transform import Transform, transformed
from dlcore.step.method import align, in_float32, predicted
from dlcore.step.metrics import Metric, Tally, refuse_unnamed
from dlcore.step.tuning import Precision, computing_in

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from dlcore.data.sources import Data

BATCH = 256


def evaluate(
    module: nn.Module,
    data: "Data",
    metrics: Sequence[Metric],
    *,
    features: Tensors,
    label: Tensors,
    transform: Transform | None = None,
    precision: Precision = "float32",
    batch: int = BATCH,
) -> dict[str, float]:
    """The metrics' figures of ``data``, whose rows go through ``module`` in batches; the tasks of a DataFrame work side by side.

    Features, label and transform are given as for training; the transform gets no generator.
    """
    if not metrics or batch < 1:
        raise ValueError(
            f"evaluate needs at least one metric and a batch of at least one row, got {metrics=}, {batch=}"
        )
    refuse_unnamed(metrics)

    def evaluation(schema: pa.Schema) -> Evaluation:
        layout = Layout.of(schema, features=features, label=label)
        return Evaluation(layout, metrics, transform, precision, batch)

    tally = Tally(metrics)
    for content in _states(module.eval(), data, evaluation):
        tally.add_bytes(content)
    return tally.results()


def _states(module: nn.Module, data: "Data", evaluation: "Callable[[pa.Schema], Evaluation]") -> Iterable[bytes]:
    if is_frame(data):
        from dlcore.spark.writing import schema_of

        return _of_tasks(module, data, evaluation(schema_of(data)))
    rows = data.to_batches() if is_dataset(data) else [table_of(data)]
    schema = data.schema if is_dataset(data) else rows[0].schema
    return [evaluation(schema).state(module, rows)]


def _of_tasks(module: nn.Module, frame: "DataFrame", evaluation: "Evaluation") -> list[bytes]:
    from pyspark import cloudpickle

    held = frame.sparkSession.sparkContext.broadcast(cloudpickle.dumps(module))  # type: ignore[no-untyped-call]

    def state(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from pyspark import TaskContext

        context = TaskContext.get()
        torch.set_num_threads(context.cpus() if context else 1)
        yield pa.RecordBatch.from_pylist([{"state": evaluation.state(cloudpickle.loads(held.value), batches)}])

    chosen = frame.select([f"`{column}`" for column in evaluation.layout.columns])
    return [bytes(row.state) for row in chosen.mapInArrow(state, "state binary").collect()]


@dataclass(frozen=True)
class Evaluation:
    """What is found out of rows of one layout."""

    layout: Layout
    metrics: Sequence[Metric]
    transform: Transform | None
    precision: Precision
    batch: int

    def state(self, module: nn.Module, rows: Iterable[Rowed]) -> bytes:
        """The state of the metrics over ``rows``; empty without any."""
        tally = Tally(self.metrics)
        with torch.inference_mode():
            for some in rows:
                refuse_unusable(self.layout.unusable(some))
                held = Resident(self.layout, self.layout.cells(some))
                for start in range(0, held.count, self.batch):
                    self._count(tally, module, held, np.arange(start, min(start + self.batch, held.count)))
        return tally.to_bytes()

    def _count(self, tally: Tally, module: nn.Module, held: Resident, rows: np.ndarray) -> None:
        gathered = held.gather(rows)
        inputs: Any
        targets: Any
        if self.transform is None:
            inputs, targets = self.layout.pair(gathered)
        else:
            inputs, targets = transformed(self.transform, self.layout, gathered, [None] * len(rows))
        with computing_in(self.precision):
            prediction = predicted(module, inputs)
        tally.add(*align(in_float32(prediction), targets))
