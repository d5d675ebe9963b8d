"""An artifact's model in int8, measured on validation rows before and after, and refused where it loses more than a bound."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from dlcore.data.fields import Tensors
from dlcore.data.layout import Layout
from dlcore.data.order import Indices
from dlcore.data.rows import Resident
from dlcore.data.sources import is_dataset, is_frame, table_of
from dlcore.metrics.metric import Metric
from dlcore.scoring.artifact import Artifact
from dlcore.scoring.batches import batch_rows
from dlcore.scoring.exporting import inputs_of, pair_of
from dlcore.storage.folder import Place

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from dlcore.data.sources import Data
    from dlcore.openvino.quantisation import Quantised

SAMPLE = 300
"""The rows that NNCF calibrates on unless it is told another number."""
REPORT = "ir/int8.json"


class QuantisationRefused(RuntimeError):
    """The model in int8 loses more than the bound allows, or none of its layers can be in int8 within it."""

    def __init__(self, reason: str, *, before: float, after: float) -> None:
        super().__init__(reason)
        self.before, self.after = before, after


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows of this process, and how they become what a model gets."""

    held: Resident
    artifact: Artifact

    @classmethod
    def of(cls, artifact: Artifact, table: pa.Table, label: Tensors | None = None) -> "Rows":
        layout = Layout.of(table.schema, features=artifact.features, label=label)
        return cls(held=Resident(layout, layout.checked_cells(table)), artifact=artifact)

    def inputs(self) -> list[Any]:
        """Row by row."""
        return [inputs_of(self.held, np.array([row]), self.artifact.transform) for row in range(self.held.count)]

    def labelled(self, size: int) -> list[tuple[Any, Any]]:
        """In batches of ``size`` rows."""
        return [pair_of(self.held, rows, self.artifact.transform) for rows in self._cut(size)]

    def _cut(self, size: int) -> Iterator[Indices]:
        for first in range(0, self.held.count, size):
            yield np.arange(first, min(first + size, self.held.count))


def quantize(
    artifact: Artifact,
    *,
    calibration: "Data",
    validation: "Data",
    label: Tensors,
    metric: Metric,
    bound: float,
    sample: int = SAMPLE,
    batch: int | None = None,
    folder: Place | None = None,
) -> Artifact:
    """A version of the artifact with its IR in int8 and a report, ``ir/int8.json``, in ``folder`` or in its place.

    It is calibrated on ``sample`` rows of ``calibration``, always the same ones of the same rows; all rows of ``validation`` are held in
    this process, in batches of ``batch``. The metric may get worse by ``bound``, in its own unit, on ``validation``: layers stay in float
    where they must. Past the bound QuantisationRefused says both figures, and nothing is written.
    """
    from dlcore.openvino.quantisation import quantised

    if bound < 0 or sample < 1:
        raise ValueError(
            f"quantize needs a bound of zero or more and a sample of a row at least, got {bound=}, {sample=}"
        )
    given = artifact.ir("f32")
    chosen = Rows.of(artifact, sampled(calibration, sample)).inputs()
    rows = Rows.of(artifact, whole(validation), label)
    if not chosen or not rows.held.count:
        raise ValueError(f"quantize needs rows to calibrate on and to measure, got {len(chosen)} and {rows.held.count}")
    judged = rows.labelled(batch or batch_rows(given, chosen[0]))
    made = quantised(given, chosen, judged, metric=metric, bound=bound)
    refuse_worse(made, metric, bound)
    report = told(artifact, made, metric=metric, bound=bound, rows=(len(chosen), rows.held.count))
    files = {"ir/int8.xml": made.ir.xml, "ir/int8.bin": made.ir.weights, REPORT: report}
    return artifact.with_files(files, folder=folder)


def refuse_worse(made: "Quantised", metric: Metric, bound: float) -> None:
    lost = (made.before - made.after) * (1 if metric.higher_is_better else -1)
    figures = f"{metric.name} is {made.before:.6g} in fp32 and {made.after:.6g} in int8"
    if not lost <= bound:
        raise QuantisationRefused(
            f"{figures}: it may get worse by {bound:g}; widen the bound, or calibrate on rows more like those to be predicted",
            before=made.before,
            after=made.after,
        )
    if len(made.in_float) == made.layers:
        raise QuantisationRefused(
            f"{metric.name} is {made.before:.6g} in fp32 and {made.all_in_int8:.6g} in int8: within a bound of {bound:g} "
            f"none of the {made.layers} layers can be in int8; widen the bound",
            before=made.before,
            after=made.all_in_int8,
        )


def told(artifact: Artifact, made: "Quantised", *, metric: Metric, bound: float, rows: tuple[int, int]) -> bytes:
    """The report: figures, sizes, rows and layers."""
    said = {
        "metric": metric.name,
        "higher_is_better": metric.higher_is_better,
        "bound": bound,
        "before": made.before,
        "after": made.after,
        "all_in_int8": made.all_in_int8,
        "bytes": {"f32": len(artifact.read("ir/f32.bin")), "int8": len(made.ir.weights)},
        "rows": dict(zip(("calibration", "validation"), rows, strict=True)),
        "layers": made.layers,
        "in_float": list(made.in_float),
    }
    return json.dumps(said, indent=1).encode()


def sampled(data: "Data", rows: int) -> pa.Table:
    """Up to ``rows`` rows, a function of the data alone: of a DataFrame's, however they are shared out, those of the lowest hashes."""
    if is_frame(data):
        return _lowest(data, rows).toArrow()
    table = whole(data)
    if table.num_rows <= rows:
        return table
    return table.take(np.linspace(0, table.num_rows - 1, rows).round().astype(np.int64))


def _lowest(frame: "DataFrame", rows: int) -> "DataFrame":
    from pyspark.sql import functions as F

    return frame.orderBy(F.xxhash64(*[F.col(f"`{name}`") for name in frame.columns])).limit(rows)


def whole(data: "Data") -> pa.Table:
    """All rows, in this process."""
    if is_frame(data):
        return data.toArrow()
    return data.to_table() if is_dataset(data) else table_of(data)
