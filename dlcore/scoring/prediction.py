"""Batch inference: a DataFrame or table in, one out, rows with all their columns and in their order, nothing through the driver."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

import pyarrow as pa
import torch
from torch import nn

from dlcore.data.fields import Tensors, fields
from dlcore.data.layout import Layout
from dlcore.data.packed import Arrays
from dlcore.data.sources import is_frame, table_of
from dlcore.data.transform import Transform
from dlcore.scoring.outputs import Outputs, arrow, declared
from dlcore.scoring.scorer import Scorer
from dlcore.scoring.shipping import Shipped, ready
from dlcore.step.tuning import computing_with, divided, give_back_pages, processor, tune_process

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

    from dlcore.data.sources import Tabular
    from dlcore.spark.packing import Packing

D = TypeVar("D")
"""A Spark DataFrame, a pyarrow Table or a pandas DataFrame: what is given comes back with more columns."""
Task: TypeAlias = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A module, what it takes of a row, and the columns that are made of what it gives.

    ``features`` and ``transform`` are given as for training; the transform gets None for target and generator. A row that it or the
    model fails on has null outputs and its reason in the string column ``error``, null for a row that was scored; what all rows of a
    batch fail at is raised. The model gets ``batch`` rows at a time, or as many as fit it.
    """

    module: nn.Module
    features: Tensors
    outputs: Outputs
    transform: Transform | None = None
    error: str = "error"
    batch: int | None = None

    def __post_init__(self) -> None:
        if not self.outputs:
            raise ValueError("predict needs at least one output, such as outputs={'probability': torch.sigmoid}")
        if self.batch is not None and self.batch < 1:
            raise ValueError(f"predict's batch must be at least 1, got {self.batch}")

    def __call__(self, data: D) -> D:
        """Of a Spark DataFrame one, by its executors; of a pyarrow Table or pandas DataFrame the same, in this process."""
        scored = self._of_frame(data) if is_frame(data) else self._of_table(cast("Tabular", data))
        return cast(D, scored)

    def _scorer(self, schema: pa.Schema, arrays: Arrays) -> Scorer:
        if clash := sorted({*self.outputs, self.error} & set(schema.names)):
            raise ValueError(f"outputs and error must be new columns, got {clash} in the data already")
        layout = Layout.of(schema, features=self.features)
        if layout.undecoded and self.transform is None:
            raise ValueError(f"columns {layout.undecoded} hold bytes; a transform must decode them")
        return Scorer(
            layout=layout,
            arrays=arrays,
            outputs=declared(self.outputs),
            error=self.error,
            transform=self.transform,
            batch=self.batch,
        )

    @property
    def _loaders(self) -> int:
        return int(self.transform is not None)

    def _of_frame(self, frame: "DataFrame") -> "DataFrame":
        from dlcore.spark.packing import Packing

        wanted = [name for field in fields(self.features, "input").values() for name in field.names]
        packing = Packing.of(frame.schema, first=wanted, added=[*self.outputs, self.error])
        return packing.unpacked(packing.packed(frame).mapInArrow(*self._task(frame.sparkSession, packing)))

    def task(self, session: "SparkSession", schema: "StructType") -> tuple[Task, "StructType"]:
        """What a task of ``session`` does to rows of ``schema`` that it has by itself, and the schema of what it gives: so that bytes
        which a task reads, such as pictures, need not pass through the JVM."""
        from dlcore.spark.packing import Packing

        return self._task(session, Packing.none(schema))

    def _task(self, session: "SparkSession", packing: "Packing") -> tuple[Task, "StructType"]:
        from pyspark import TaskContext
        from pyspark.sql.pandas.types import from_arrow_type
        from pyspark.sql.types import StringType, StructField, StructType

        from dlcore.spark.writing import arrow_schema

        scorer, loaders = self._scorer(arrow_schema(packing.schema), packing.arrays), self._loaders
        shipped = Shipped.over(session.sparkContext, self.module)
        added = [StructField(name, from_arrow_type(arrow(each.kind))) for name, each in scorer.outputs.items()]

        def score(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            context = TaskContext.get()
            cores = context.cpus() if context else 1
            tune_process(cores, loaders=loaders)
            try:
                yield from scorer(shipped.open(), batches, loaders=divided(processor().real(cores), loaders)[1])
            finally:
                give_back_pages()

        return score, StructType([*packing.travelling.fields, *added, StructField(self.error, StringType())])

    def _of_table(self, data: "Tabular") -> "Tabular":
        table = table_of(data)
        scorer = self._scorer(table.schema, Arrays({}))
        threads, loaders = divided(torch.get_num_threads(), self._loaders)
        with computing_with(threads):
            module = ready(deepcopy(self.module))
            batches = list(scorer(module, table.combine_chunks().to_batches(), loaders=loaders))
        kinds = [pa.field(name, arrow(each.kind)) for name, each in scorer.outputs.items()]
        whole = pa.schema([*table.schema, *kinds, pa.field(self.error, pa.string())])
        scored = pa.Table.from_batches(batches, schema=whole)
        if isinstance(data, pa.Table):
            return scored
        found = scored.to_pandas()
        found.index = data.index
        return found
