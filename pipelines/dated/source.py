"""Rows of a table of another team, read as deliveries: each of its partitions is one, as a landed file is."""

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

CSV = {"escape": '"'}
"""How rows are written as lines, and lines are read: as RFC 4180 has it."""


class BadDelivery(ValueError):
    """What has landed cannot be read as rows at all; nothing was written."""


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One file or partition that was delivered: its name, its rows, and the delivery whose lines it repeats."""

    name: str
    lines: int
    repeats: str | None = None


@dataclass(frozen=True, kw_only=True)
class HiveSource:
    """The rows of ``table`` whose ``partition`` column is ``first`` to ``last``, both included, compared as the column's type.

    A row's number is its place among the rows of its partition in the order of their values, so the same rows have the same
    numbers however the table is laid out; one task numbers a partition.
    """

    table: str
    partition: str
    first: str
    last: str

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError(f"HiveSource.last must not be before first, got {self.first} to {self.last}")

    def read(self, spark: SparkSession, header: Sequence[str]) -> tuple[list[Delivery], DataFrame]:
        """The deliveries, and their rows as lines: source_file (``table/partition=value``), source_line, repeats, value."""
        rows = self._rows(spark, header)
        name = F.concat(F.lit(f"{self.table}/{self.partition}="), F.col(self.partition).cast("string"))
        lines = rows.select(name.alias("source_file"), F.to_csv(F.struct(*header), CSV).alias("value"))
        place = F.row_number().over(Window.partitionBy("source_file").orderBy("value"))
        counted = lines.groupBy("source_file").count().orderBy("source_file").collect()
        if not counted:
            raise BadDelivery(
                f"{self.table} has no rows with {self.partition} {self.first} to {self.last}; run the step again when it has"
            )
        deliveries = [Delivery(name=row["source_file"], lines=row["count"]) for row in counted]
        return deliveries, lines.select(
            "source_file",
            place.cast("bigint").alias("source_line"),
            F.lit(None).cast("string").alias("repeats"),
            "value",
        )

    def _rows(self, spark: SparkSession, header: Sequence[str]) -> DataFrame:
        try:
            rows = spark.table(self.table)
        except AnalysisException as error:
            raise BadDelivery(f"there is no table {self.table}; name it as database.table, or wait for it") from error
        if missing := [name for name in (*header, self.partition) if name not in rows.columns]:
            raise BadDelivery(f"{self.table} must have the columns {', '.join(header)}, missing {missing}")
        return rows.where(F.col(self.partition).between(self.first, self.last))
