"""Rows into features, for training and scoring alike: both read what this step writes."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from pyspark.sql import DataFrame, SparkSession
from pyspark.storagelevel import StorageLevel

from infra.tables.hive import Partition, Table
from pipelines.outcome import Outcome, Rows


@dataclass(frozen=True, kw_only=True)
class Engineer:
    """Replace the partitions of ``table`` for the pinned ``inputs`` of ``source``.

    ``transform`` maps rows to features; it is given ``history_days`` of rows before each date too, where there are any,
    so that a date's features do not depend on which other dates are made with it.
    """

    source: Table
    table: Table
    inputs: tuple[Partition, ...]
    transform: Callable[[DataFrame], DataFrame]
    history_days: int
    run_id: str

    def __post_init__(self) -> None:
        if not self.inputs:
            raise ValueError("Engineer.inputs needs at least one partition, got none")
        if self.history_days < 0:
            raise ValueError(f"Engineer.history_days must not be negative, got {self.history_days}")

    def run(self, spark: SparkSession) -> Outcome:
        history = [self.source.current(spark, ds) for ds in self._before(self.source.dates(spark))]
        rows = self._rows(spark, [*history, *self.inputs])
        features = self.transform(rows).persist(StorageLevel.MEMORY_AND_DISK)
        try:
            written = tuple(self._replace(features, pin.ds) for pin in self.inputs)
        finally:
            features.unpersist()
        return self._outcome(written, history)

    def _before(self, present: list[str]) -> list[str]:
        """The dates that the windows of our dates reach back to, and that are not ours."""
        ours = {pin.ds for pin in self.inputs}
        days = range(1, self.history_days + 1)
        reached = {str(date.fromisoformat(ds) - timedelta(days=day)) for ds in ours for day in days}
        return sorted(reached & set(present) - ours)

    def _rows(self, spark: SparkSession, pins: list[Partition]) -> DataFrame:
        first, *rest = [self.source.pinned(spark, pin) for pin in pins]
        for frame in rest:
            first = first.unionByName(frame)
        return first

    def _replace(self, features: DataFrame, ds: str) -> Partition:
        return self.table.replace(features.sparkSession, features.where(features["ds"] == ds), ds=ds, run=self.run_id)

    def _outcome(self, written: tuple[Partition, ...], history: list[Partition]) -> Outcome:
        rows = Rows(taken=sum(pin.rows for pin in self.inputs), given=sum(partition.rows for partition in written))
        reached = f", with {', '.join(pin.ds for pin in history)} as history" if history else ""
        return Outcome(
            summary=f"{self.table}: {rows}, on {len(written)} dates{reached}",
            rows=rows,
            partitions=written,
        )
