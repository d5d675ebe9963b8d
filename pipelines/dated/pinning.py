"""Pin the rows of a range of dates, and their labels, so that every later step of a run works on the same ones."""

from dataclasses import dataclass

from pyspark.sql import SparkSession

from infra.tables.hive import Partition, Table
from pipelines.dated.labels import Labels
from pipelines.dated.pin import TablePin
from pipelines.dated.stale import stale
from pipelines.outcome import Outcome, Rows


@dataclass(frozen=True, kw_only=True)
class Pinned:
    """The rows that a run works on, one partition a date, and where labels are a table of their own, theirs."""

    rows: TablePin
    labels: TablePin | None = None

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """All that is pinned."""
        return (*self.rows.partitions, *(self.labels.partitions if self.labels else ()))


@dataclass(frozen=True, kw_only=True)
class Pin:
    """Pin the current partition of ``table`` for each of ``dates``; every one must be there, made from what its ``source`` has now.

    Where ``labels`` are a table of their own, each date must have its partition there too, though not a label for each row.
    """

    table: Table
    source: Table | None
    dates: tuple[str, ...]
    labels: Labels | None = None

    def run(self, spark: SparkSession) -> Outcome:
        rows = self.rows(spark)
        labels = self.labels.pinned(spark, self.dates) if self.labels else None
        pinned = Pinned(rows=rows, labels=labels)
        labelled = f" with {labels.rows:,} labels" if labels else ""
        return Outcome(
            summary=f"{self.table}: {rows.rows:,} rows{labelled} of {self.dates[0]} to {self.dates[-1]} pinned",
            rows=Rows(taken=rows.rows, given=rows.rows),
            partitions=pinned.partitions,
            result=pinned,
        )

    def rows(self, spark: SparkSession) -> TablePin:
        """The rows of every date, none missing or stale."""
        present = set(self.table.dates(spark))
        if missing := [ds for ds in self.dates if ds not in present]:
            raise LookupError(
                f"{self.table} has no rows of {', '.join(missing)}; run the daily steps for these dates, or choose a range "
                f"that has them (there are {', '.join(sorted(present)) or 'none'})"
            )
        sources = [self.source] if self.source else []
        for source in [*sources, *([self.labels.table] if self.labels else [])]:
            if old := stale(spark, source=source, table=self.table, dates=self.dates):
                raise LookupError("; ".join(old.values()))
        return TablePin(partitions=tuple(self.table.current(spark, ds) for ds in self.dates))
