"""Pictures with their detections held against their truths, in the tasks that have them: a few numbers a picture come to the driver."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import ArrayType, BooleanType, FloatType, LongType, StringType, StructField, StructType

from dlcore.zoo.detections import Detections
from dlcore.zoo.mean_precision import MeanPrecision, State
from features.pictures.preparing import unpack
from pipelines.pictures.catalogue import EDGES
from pipelines.pictures.detection.detector import truths

JUDGED = StructType(
    [
        StructField("key", StringType()),
        StructField("labels", ArrayType(LongType())),
        StructField("scores", ArrayType(FloatType())),
        StructField("right", ArrayType(BooleanType())),
        StructField("truths", ArrayType(LongType())),
    ]
)
"""The metric's state of a picture."""
TYPES = {"labels": torch.int64, "scores": torch.float32, "right": torch.bool, "truths": torch.int64}
Predict = Callable[[DataFrame], DataFrame]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The metric's state of each picture by its key."""

    metric: MeanPrecision
    pictures: Mapping[str, State]

    @property
    def whole(self) -> State:
        """The state of all pictures."""
        return self.metric.merge(list(self.pictures.values()))

    @property
    def figures(self) -> dict[str, float]:
        return self.metric.result(self.whole)


def judged(rows: DataFrame, predict: Predict, metric: MeanPrecision) -> Judged:
    """Hold what ``predict`` finds in the pictures of ``rows`` (key, pixels, width, height, targets) against their truths.

    In a picture that it fails at, nothing was found.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield pa.RecordBatch.from_pylist(
                [_judged(row, metric) for row in batch.to_pylist()], to_arrow_schema(JUDGED)
            )

    found = (
        predict(rows)
        .select("key", "targets", "width", "height", "found")
        .mapInArrow(run, JUDGED)
        .toArrow()
        .sort_by("key")
    )
    if not len(found):
        raise LookupError("there is no picture to judge; deliver a list of the splits with the pictures")
    return Judged(metric=metric, pictures={row["key"]: _state(row) for row in found.to_pylist()})


def _judged(row: Mapping[str, Any], metric: MeanPrecision) -> dict[str, Any]:
    real = truths(unpack(row["targets"]), row["width"], row["height"])
    state = metric.picture(detections(row["found"]), real["boxes"], real["labels"], real["difficult"])
    return {"key": row["key"]} | {name: value.tolist() for name, value in state.items()}


def _state(row: Mapping[str, Any]) -> State:
    return {name: torch.tensor(row[name], dtype=kind) for name, kind in TYPES.items()}


def detections(found: list[dict[str, Any]] | None) -> Detections:
    """The column ``found`` of one picture."""
    rows = found or []
    boxes = np.array([[row[edge] for edge in EDGES] for row in rows], np.float32).reshape(-1, 4)
    labels, scores = ([row[name] for row in rows] for name in ("label", "score"))
    return Detections(torch.from_numpy(boxes), torch.tensor(labels, dtype=torch.int64), torch.tensor(scores))


def surest(found: Judged) -> dict[str, float]:
    """The score from which on a class's detections are right most often for what they miss: the threshold of the highest F1."""
    state = found.whole
    return {name: _surest(state, label) for label, name in enumerate(found.metric.classes, 1)}


def _surest(state: State, label: int) -> float:
    own = state["labels"] == label
    scores, order = state["scores"][own].sort(descending=True, stable=True)
    hits = state["right"][own][order].cumsum(0).double()
    if not len(hits) or not hits[-1]:
        return 1.0  # nothing right was found, so nothing is to be believed
    f1 = 2 * hits / (torch.arange(1, len(hits) + 1) + state["truths"][label - 1])
    return float(scores[f1.argmax()])
