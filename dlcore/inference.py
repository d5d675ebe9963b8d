"""Batch inference: DataFrame in, DataFrame out, rows with all their columns and in their order, nothing through the driver.

A row that cannot be scored becomes a row with null outputs and its reason, not a failed job. A process builds a model once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from pyspark import TaskContext
from pyspark.sql import DataFrame
from pyspark.sql.types import DoubleType, StringType, StructField, StructType
from torch import Tensor, nn

from dlcore.layout import Part

Output = Callable[[Tensor], Tensor]
Flags = NDArray[np.bool_]


def predict(
    frame: DataFrame,
    model: Callable[[], nn.Module],
    *,
    key: str,
    features: Sequence[str],
    outputs: Mapping[str, Output],
    error: str = "error",
    batch: int = 8192,
) -> DataFrame:
    """Add a double column for each output and a string column ``error``, null for a row that was scored.

    ``model`` builds the module on the executor (for example by loading an artifact); ``key`` names its content, such as the
    artifact's id: a process that holds a model of that key uses it. An output maps the prediction of n rows to n numbers.
    """
    clash = sorted({*outputs, error} & set(frame.columns))
    if clash or not outputs:
        raise ValueError(f"outputs and error must be new columns, at least one output, got {clash} in the data already")
    missing = [name for name in features if name not in frame.columns]
    if missing:
        raise ValueError(f"features must be columns of the data, {missing} are not among {frame.columns}")
    part = Part(name="input", columns=tuple(features), dtype="float32")
    scorer = Scorer(model=model, key=key, part=part, outputs=outputs, error=error, batch=batch)
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
    part: Part
    outputs: Mapping[str, Output]
    error: str
    batch: int

    def __call__(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        inputs = self.part.array(rows)
        usable: Flags = np.asarray(np.isfinite(inputs).all(axis=1))
        scored = self._scored(inputs[usable])
        columns = [_spread(values, usable) for values in scored]
        return pa.RecordBatch.from_arrays(
            [*rows.columns, *columns, _reasons(inputs, usable, self.part.columns)],
            names=[*rows.schema.names, *self.outputs, self.error],
        )

    def _scored(self, inputs: NDArray[np.float32]) -> list[NDArray[np.float64]]:
        pieces = [self._piece(piece) for piece in np.array_split(inputs, -(-len(inputs) // self.batch) or 1)]
        return [np.concatenate(each) for each in zip(*pieces, strict=True)]

    def _piece(self, inputs: NDArray[np.float32]) -> list[NDArray[np.float64]]:
        if not len(inputs):
            return [np.empty(0) for _ in self.outputs]
        with torch.inference_mode():
            prediction = MODELS.of(self.key, self.model)(torch.from_numpy(inputs))
            found = [output(prediction).reshape(-1).double().numpy() for output in self.outputs.values()]
        for name, values in zip(self.outputs, found, strict=True):
            if len(values) != len(inputs):
                raise ValueError(f"output {name} must give one number a row, got {len(values)} for {len(inputs)} rows")
        return found


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


def _spread(values: NDArray[np.float64], usable: Flags) -> pa.Array:
    whole = np.zeros(len(usable))
    whole[usable] = values
    return pa.array(whole, mask=~usable)


def _reasons(inputs: NDArray[np.float32], usable: Flags, columns: Sequence[str]) -> pa.Array:
    reasons: list[str | None] = [None] * len(usable)
    for row in np.flatnonzero(~usable):
        bad = np.flatnonzero(~np.isfinite(inputs[row]))
        names = [columns[each] if len(columns) == inputs.shape[1] else columns[0] for each in bad[:5]]
        reasons[row] = f"not a finite number: {', '.join(dict.fromkeys(names))}"
    return pa.array(reasons, pa.string())
