"""Metrics of a module on labelled rows, wherever they are: DataFrame, table or data set in, figures out.

The tasks of a DataFrame's partitions each give the state of their rows, and the driver merges those: nothing else comes through it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import torch
from torch import nn

from dlcore.data.cells import Rowed
from dlcore.data.fields import Tensors
from dlcore.data.layout import Layout
from dlcore.data.order import Indices
from dlcore.data.rows import Resident
from dlcore.data.sources import is_dataset, is_frame, table_of
from dlcore.data.transform import Transform, transformed
from dlcore.metrics.metric import Metric
from dlcore.metrics.tally import Tally, refuse_unnamed
from dlcore.scoring.batches import batch_rows
from dlcore.scoring.shipping import Shipped, ready
from dlcore.step.method import align, in_float32, predicted
from dlcore.step.tuning import Precision, computing_in, give_back_pages, tune_process

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from dlcore.data.sources import Data


def evaluate(
    module: nn.Module,
    data: "Data",
    metrics: Sequence[Metric],
    *,
    features: Tensors,
    label: Tensors,
    transform: Transform | None = None,
    precision: Precision = "float32",
    batch: int | None = None,
) -> dict[str, float]:
    """The metrics' figures of ``data``, whose rows go through ``module`` in batches; the tasks of a DataFrame work side by side.

    Features, label and transform are given as for training; the transform gets no generator. A batch has as many rows as fit the model,
    unless ``batch`` says how many.
    """
    if not metrics or (batch is not None and batch < 1):
        raise ValueError(
            f"evaluate needs at least one metric and a batch of at least one row, got {metrics=}, {batch=}"
        )
    refuse_unnamed(metrics)

    def evaluation(schema: pa.Schema) -> Evaluation:
        layout = Layout.of(schema, features=features, label=label)
        if layout.undecoded and transform is None:
            raise ValueError(f"columns {layout.undecoded} hold bytes; a transform must decode them")
        return Evaluation(layout, metrics, transform, precision, batch)

    tally = Tally(metrics)
    for content in _states(module, data, evaluation):
        tally.add_bytes(content)
    return tally.results()


def _states(module: nn.Module, data: "Data", evaluation: "Callable[[pa.Schema], Evaluation]") -> Iterable[bytes]:
    if is_frame(data):
        from dlcore.spark.writing import schema_of

        return _of_tasks(module, data, evaluation(schema_of(data)))
    rows = data.to_batches() if is_dataset(data) else [table_of(data)]
    schema = data.schema if is_dataset(data) else rows[0].schema
    return [evaluation(schema).state(ready(deepcopy(module)), rows)]


def _of_tasks(module: nn.Module, frame: "DataFrame", evaluation: "Evaluation") -> list[bytes]:
    from pyspark import TaskContext

    from dlcore.spark.packing import Packing

    chosen = frame.select([f"`{column}`" for column in evaluation.layout.columns])
    packing = Packing.of(chosen.schema)
    shipped = Shipped.over(frame.sparkSession.sparkContext, module)

    def state(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        context = TaskContext.get()
        tune_process(context.cpus() if context else 1)
        rows = map(packing.arrays.opened, batches)
        try:
            yield pa.RecordBatch.from_pylist([{"state": evaluation.state(shipped.open(), rows)}])
        finally:
            give_back_pages()

    return [bytes(row.state) for row in packing.packed(chosen).mapInArrow(state, "state binary").collect()]


@dataclass(frozen=True)
class Evaluation:
    """What is found out of rows of one layout."""

    layout: Layout
    metrics: Sequence[Metric]
    transform: Transform | None
    precision: Precision
    batch: int | None

    def state(self, module: nn.Module, rows: Iterable[Rowed]) -> bytes:
        """The state of the metrics over ``rows``; empty without any."""
        tally = Tally(self.metrics)
        with torch.inference_mode():
            for some in rows:
                if not some.num_rows:
                    continue
                held = Resident(self.layout, self.layout.checked_cells(some))
                size = self.batch or batch_rows(module, self._pair(held, np.arange(1))[0])
                for start in range(0, held.count, size):
                    tally.add(*self._judged(module, held, np.arange(start, min(start + size, held.count))))
        return tally.to_bytes()

    def _judged(self, module: nn.Module, held: Resident, rows: Indices) -> tuple[Any, Any]:
        """Prediction and target, as the loss gets them."""
        inputs, targets = self._pair(held, rows)
        with computing_in(self.precision):
            prediction = predicted(module, inputs)
        return align(in_float32(prediction), targets)

    def _pair(self, held: Resident, rows: Indices) -> tuple[Any, Any]:
        gathered = held.gather(rows)
        if self.transform is None:
            return self.layout.pair(gathered)
        return transformed(self.transform, self.layout, gathered, [None] * len(rows))
