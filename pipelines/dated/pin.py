"""A fixed set of rows with its count and fingerprint, wherever the rows lie: what a run works on from its first step to its last."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from infra.hbase.rows import Function
from infra.hbase.rows import Rows as HBaseRows
from infra.tables import snapshots
from infra.tables.fence import Superseded
from infra.tables.hive import Partition, read_files


@dataclass(frozen=True, kw_only=True)
class TablePin:
    """The rows of snapshots of a Hive table's partitions, read as files: needs no Hive."""

    partitions: tuple[Partition, ...]

    def __post_init__(self) -> None:
        if not self.partitions:
            raise ValueError("TablePin.partitions must name at least one partition, got none")

    @property
    def rows(self) -> int:
        return sum(partition.rows for partition in self.partitions)

    @property
    def fingerprint(self) -> str:
        """Of one partition its own, which every folder of the same rows has; of several, a hash of theirs by date."""
        found = sorted((partition.ds, partition.fingerprint) for partition in self.partitions)
        return found[0][1] if len(found) == 1 else hashlib.sha256(str(found).encode()).hexdigest()

    def read(self, spark: SparkSession) -> DataFrame:
        """The rows, with ``ds``; ``Superseded`` where they are gone."""
        return read_files(spark, self.partitions)


@dataclass(frozen=True, kw_only=True)
class FilesPin:
    """The rows of a folder of Parquet files."""

    folder: str
    fingerprint: str
    rows: int

    @classmethod
    def of(cls, spark: SparkSession, folder: str) -> "FilesPin":
        """Pin the rows that a folder holds now."""
        fingerprint, rows = snapshots.digest(spark.read.parquet(folder))
        return cls(folder=folder, fingerprint=fingerprint, rows=rows)

    def read(self, spark: SparkSession) -> DataFrame:
        """The rows; ``Superseded`` where the folder holds others by now, which is found by reading it once more."""
        if (found := FilesPin.of(spark, self.folder)) != self:
            raise Superseded(
                f"{self.folder}: the {self.rows:,} rows this run works on were replaced by {found.rows:,} others; "
                "start this run again to work on the rows there are now"
            )
        return spark.read.parquet(self.folder)


@dataclass(frozen=True, kw_only=True)
class HBasePin:
    """Rows of an HBase table, by the snapshot of a Hive table that has their keys in a column ``key``.

    A key names what its row holds, so the snapshot's count and fingerprint are the rows'. ``source`` says where they are, and
    reads at least them; its schema has the field ``key``.
    """

    partition: Partition
    source: HBaseRows

    @property
    def rows(self) -> int:
        return self.partition.rows

    @property
    def fingerprint(self) -> str:
        return self.partition.fingerprint

    def read(self, spark: SparkSession) -> DataFrame:
        """The rows; ``Superseded`` where some are gone, which is found by reading their keys first."""
        keys = StructType([self.source.schema["key"]])
        found = self.mapped(spark, lambda batches: (batch.select(["key"]) for batch in batches), keys)
        self.require(found.distinct().count())
        return self.mapped(spark, lambda batches: batches, self.source.schema)

    def mapped(self, spark: SparkSession, function: Function, schema: StructType | str) -> DataFrame:
        """What ``function`` makes of the rows in the tasks that scan them, none of which enters the JVM."""
        keys = read_files(spark, [self.partition]).select("key").toArrow()["key"].to_pylist()
        wanted = spark.sparkContext.broadcast(frozenset(keys))

        def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            pinned = wanted.value
            return function(_only(batch, pinned) for batch in batches)

        return self.source.mapped(spark, run, schema)

    def require(self, found: int) -> None:
        """Raise ``Superseded`` where only so many of the rows were there."""
        if found != self.rows:
            raise Superseded(
                f"{self.partition.table} ds={self.partition.ds}: of the {self.rows:,} rows that this run works on "
                f"{found:,} are in HBase's table {self.source.table!r}; start this run again to work on what there is now"
            )


def _only(batch: pa.RecordBatch, keys: frozenset[str]) -> pa.RecordBatch:
    """The rows of a batch that have one of the keys."""
    return batch.filter(pa.array([key in keys for key in batch["key"].to_pylist()], pa.bool_()))
