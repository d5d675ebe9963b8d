"""A fixed set of rows with its count and fingerprint, wherever the rows lie: what a run works on from its first step to its last."""

from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

from infra.tables import snapshots
from infra.tables.fence import Superseded
from infra.tables.hive import Partition, read_files


@dataclass(frozen=True, kw_only=True)
class TablePin:
    """The rows of a snapshot of a Hive table's partition, read as files: needs no Hive."""

    partition: Partition

    @property
    def rows(self) -> int:
        return self.partition.rows

    @property
    def fingerprint(self) -> str:
        return self.partition.fingerprint

    def read(self, spark: SparkSession) -> DataFrame:
        """The rows, with ``ds``; ``Superseded`` where they are gone."""
        return read_files(spark, [self.partition])


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
