"""Pin the partitions of a range of dates, so that every later step of a run works on the same rows."""

from dataclasses import dataclass

from pyspark.sql import SparkSession

from infra.tables.hive import Partition, Table
from pipelines.dated.stale import stale
from pipelines.outcome import Outcome, Rows


@dataclass(frozen=True, kw_only=True)
class Pinned:
    """The partitions that a run works on, one a date."""

    partitions: tuple[Partition, ...]


@dataclass(frozen=True, kw_only=True)
class Pin:
    """Pin the current partition of ``table`` for each of ``dates``; every one must be there, made from what ``source`` has now."""

    table: Table
    source: Table
    dates: tuple[str, ...]

    def run(self, spark: SparkSession) -> Outcome:
        present = set(self.table.dates(spark))
        if missing := [ds for ds in self.dates if ds not in present]:
            raise LookupError(
                f"{self.table} has no rows of {', '.join(missing)}; run the daily steps for these dates, or choose a range "
                f"that has them (there are {', '.join(sorted(present)) or 'none'})"
            )
        if old := stale(spark, source=self.source, table=self.table, dates=self.dates):
            raise LookupError("; ".join(old.values()))
        found = tuple(self.table.current(spark, ds) for ds in self.dates)
        rows = sum(partition.rows for partition in found)
        return Outcome(
            summary=f"{self.table}: {rows:,} rows of {self.dates[0]} to {self.dates[-1]} pinned",
            rows=Rows(taken=rows, given=rows),
            partitions=found,
            result=Pinned(partitions=found),
        )
