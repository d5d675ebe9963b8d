"""Rows of a table, read a part at a time, and a map over them whose tasks scan by themselves: no picture enters the JVM."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from infra.hbase.cells import Layout
from infra.hbase.client import Address
from infra.hbase.keys import EVERYTHING, SALTED, Salting, Selection
from infra.hbase.regions import Part, parts, regions
from infra.hbase.scan import Scan, ahead

Function = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The selected rows of a table as Arrow batches of ``schema``, each of at most ``batch_bytes``, in one task a region and split."""

    address: Address
    table: str
    schema: StructType
    family: str = ""
    salting: Salting = SALTED
    selection: Selection = EVERYTHING
    splits: int = 1
    batch_bytes: int = 16 << 20
    filter: bytes = b""

    def mapped(self, spark: SparkSession, function: Function, schema: StructType | str) -> DataFrame:
        """What ``function`` makes of the batches of each task, as rows of ``schema``."""
        tasks = self.parts()

        def run(numbers: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in numbers:
                for number in batch.column(0).to_pylist():
                    yield from function(self.batches(tasks[number]))

        numbers = spark.range(0, len(tasks), 1, max(1, len(tasks)))
        return numbers.mapInArrow(run, schema)

    def parts(self) -> list[Part]:
        """The work of each task, by the regions as they are now."""
        found = regions(self.address, self.table)
        return parts(self.address, found, self.selection, self.salting, self.splits)

    def batches(self, part: Part) -> Iterator[pa.RecordBatch]:
        """The rows of one part."""
        layout = self.layout
        scan = Scan(address=self.address, table=self.table, columns=layout.cells, filter=self.filter)
        return layout.batches(ahead(scan.pages(part)), self.batch_bytes)

    @property
    def layout(self) -> Layout:
        """How the schema lies over the table."""
        return Layout(schema=self.schema, family=self.family, salting=self.salting)
