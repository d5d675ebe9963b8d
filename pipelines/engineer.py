"""Rows into features, for training and scoring alike: both read what this step writes."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from pyspark.sql import DataFrame, SparkSession
from pyspark.storagelevel import StorageLevel

from infra.tables.hive import Draft, Partition, Table
from pipelines.judge import Judge, drafting, settled
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
    judge: Judge
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
        with drafting() as drafts:
            self._stage(self.transform(rows), drafts)
            outcome, judgements = self._outcome(drafts, history), [self.judge.draft(draft) for draft in drafts]
        return settled(outcome, drafts, judgements)

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

    def _stage(self, features: DataFrame, drafts: list[Draft]) -> None:
        """Write each date's features as a draft; what they are made of is worked out once."""
        features = features.persist(StorageLevel.MEMORY_AND_DISK)
        try:
            for pin in self.inputs:
                rows = features.where(features["ds"] == pin.ds)
                drafts.append(self.table.stage(features.sparkSession, rows, ds=pin.ds, run=self.run_id))
        finally:
            features.unpersist()

    def _outcome(self, drafts: list[Draft], history: list[Partition]) -> Outcome:
        rows = Rows(taken=sum(pin.rows for pin in self.inputs), given=sum(draft.partition.rows for draft in drafts))
        reached = f", with {', '.join(pin.ds for pin in history)} as history" if history else ""
        return Outcome(
            summary=f"{self.table}: {rows}, on {len(drafts)} dates{reached}",
            rows=rows,
        )
