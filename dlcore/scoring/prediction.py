"""Batch inference: DataFrame in, DataFrame out, rows with all their columns and in their order, nothing through the driver.

A row that cannot be scored becomes a row with null outputs and its reason, not a failed job. A process builds a model once.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dlcore.data.cells import Cells, Flags
from dlcore.data.fields import Tensors
from dlcore.data.layout import Layout
from dlcore.data.order import Indices
from dlcore.data.transform import Transform, applied, row_of, stacked
from dlcore.step.method import predicted

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Output = Callable[[Any], Tensor]
Reasons = list[str | None]


def predict(
    frame: "DataFrame",
    model: Callable[[], nn.Module],
    *,
    key: str,
    features: Tensors,
    outputs: Mapping[str, Output],
    error: str = "error",
    batch: int = 8192,
    transform: Transform | None = None,
) -> "DataFrame":
    """Add a double column for each output and a string column ``error``, null for a row that was scored.

    ``model`` builds the module on the executor (for example by loading an artifact); ``key`` names its content, such as the
    artifact's id: a process that holds a model of that key uses it. An output maps the prediction of n rows to n numbers. Features
    and transform are given as for training; the transform gets None for target and generator, and a row that it fails on its error.
    """
    from pyspark import TaskContext
    from pyspark.sql.types import DoubleType, StringType, StructField, StructType

    from dlcore.spark.writing import schema_of

    clash = sorted({*outputs, error} & set(frame.columns))
    if clash or not outputs:
        raise ValueError(f"outputs and error must be new columns, at least one output, got {clash} in the data already")
    layout = Layout.of(schema_of(frame), features=features)
    if layout.undecoded and transform is None:
        raise ValueError(f"columns {layout.undecoded} hold bytes; give predict the transform that decodes them")
    scorer = Scorer(model=model, key=key, layout=layout, outputs=outputs, error=error, batch=batch, transform=transform)
    added = [StructField(name, DoubleType()) for name in outputs] + [StructField(error, StringType())]

    def score(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        context = TaskContext.get()
        torch.set_num_threads(context.cpus() if context else 1)
        yield from map(scorer, batches)

    return frame.mapInArrow(score, StructType([*frame.schema.fields, *added]))


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """Scores Arrow batches with the process's model of ``key``."""

    model: Callable[[], nn.Module]
    key: str
    layout: Layout
    outputs: Mapping[str, Output]
    error: str
    batch: int
    transform: Transform | None

    def __call__(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        reasons = _reasons(self.layout.usable(rows), rows.num_rows)
        usable = np.flatnonzero([reason is None for reason in reasons])
        cells = self.layout.cells(rows.take(pa.array(usable)))
        scored = np.full((len(self.outputs), rows.num_rows), np.nan)
        for piece in np.array_split(np.arange(len(usable)), -(-len(usable) // self.batch) or 1):
            inputs, good = self._inputs(cells, piece, usable, reasons)
            if len(good):
                scored[:, good] = self._scored(inputs, len(good))
        failed = np.array([reason is not None for reason in reasons], dtype=bool)
        return pa.RecordBatch.from_arrays(
            [*rows.columns, *(pa.array(values, mask=failed) for values in scored), pa.array(reasons, pa.string())],
            names=[*rows.schema.names, *self.outputs, self.error],
        )

    def _inputs(
        self, cells: Mapping[str, Cells], piece: Indices, usable: Indices, reasons: Reasons
    ) -> tuple[Any, Indices]:
        """What the model gets of a piece of the usable rows, and which rows these are; those that the transform fails on say why."""
        if self.transform is None:
            found, _ = self.layout.pair(
                {name: torch.from_numpy(np.asarray(each[piece])) for name, each in cells.items()}
            )
            return found, usable[piece]
        made, good = [], []
        for at in piece:
            try:
                x, _ = applied(self.transform, self.layout.pair(row_of(cells, int(at)))[0], None, None)
            except Exception as error:  # noqa: BLE001 - whatever a row makes the user's code raise is that row's reason
                reasons[usable[at]] = f"{type(error).__name__}: {error}"
            else:
                made.append(x)
                good.append(usable[at])
        return (stacked(made, "x") if made else None), np.array(good, dtype=np.int64)

    def _scored(self, inputs: Any, rows: int) -> NDArray[np.float64]:
        """[outputs, rows]"""
        with torch.inference_mode():
            prediction = predicted(MODELS.of(self.key, self.model), inputs)
            found = [output(prediction).reshape(-1).double().numpy() for output in self.outputs.values()]
        for name, values in zip(self.outputs, found, strict=True):
            if len(values) != rows:
                raise ValueError(f"output {name} must give one number a row, got {len(values)} for {rows} rows")
        return np.stack(found)


@dataclass
class Models:
    """The model that this process holds: it outlives the task that built it, so it cannot be an argument."""

    held: dict[str, nn.Module] = field(default_factory=dict)

    def of(self, key: str, build: Callable[[], nn.Module]) -> nn.Module:
        if key not in self.held:
            self.held.clear()
            self.held[key] = build().eval()
        return self.held[key]


MODELS = Models()


def _reasons(usable: Mapping[str, Flags], rows: int) -> Reasons:
    """For each row why it cannot be scored, naming up to five columns; None where it can."""
    bad: dict[int, list[str]] = {}
    for column, good in usable.items():
        for row in np.flatnonzero(~good):
            bad.setdefault(int(row), []).append(column)
    return [f"null or not a finite number: {', '.join(bad[row][:5])}" if row in bad else None for row in range(rows)]
