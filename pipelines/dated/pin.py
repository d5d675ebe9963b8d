"""A fixed set of rows with its count and fingerprint, wherever the rows lie: what a run works on from its first step to its last."""

import hashlib
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

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
