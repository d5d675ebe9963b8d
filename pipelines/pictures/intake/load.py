"""A day's pictures from landing files into HBase and the catalogue: judged one by one, then whole, and only then committed.

Pictures are put into HBase first, under keys that nobody knows yet, for each names its content; the catalogue's commit is what
makes them the day's. What is put and not committed is taken out again, at the latest by the next load of the day.
"""

import math
from contextlib import ExitStack
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType
from pyspark.storagelevel import StorageLevel

from infra.expectations import enough_rows
from infra.hbase.writing import bounded
from infra.tables.hive import Draft, Partition, Table
from pipelines.dated.judge import GateFailed, Judge, Judgement, drafting, settled
from pipelines.outcome import Outcome, Rows
from pipelines.pictures import sections
from pipelines.pictures.catalogue import REFUSED, ROW, Tables, measured
from pipelines.pictures.intake.delivery import Delivery
from pipelines.pictures.intake.repeats import later, once
from pipelines.pictures.intake.storing import VERDICT, Storing
from pipelines.pictures.store import SCHEMA


@dataclass(frozen=True, kw_only=True)
class Load:
    """Replace the pictures of ``storing.ds`` by what ``delivery`` holds.

    Pictures that break a rule, or are a repetition of another of this day or of a day before, go to quarantine. ``judge`` judges the
    catalogue's rows; a delivery of less than ``least_share`` of the pictures that stand does not replace them. ``shown`` is how
    many refused pictures the report shows.
    """

    delivery: Delivery
    storing: Storing
    tables: Tables
    judge: Judge
    run_id: str
    least_share: float = 0.5
    shown: int = 12

    def __post_init__(self) -> None:
        if not 0 <= self.least_share <= 1:
            raise ValueError(f"Load.least_share must be between 0 and 1, got {self.least_share}")

    @property
    def ds(self) -> str:
        return self.storing.ds

    def run(self, spark: SparkSession) -> Outcome:
        store, rules = self.storing.store, self.storing.rules
        store.writer.require(SCHEMA)
        delivered = self.delivery.read(spark, rules.splits, rules.limits.bytes)
        with ExitStack() as kept:
            before = cached(kept, store.keys(spark, self.ds))
            before.count()  # before anything is put, so that what another load puts meanwhile is not taken for ours
            with bounded(spark):
                verdicts = cached(kept, delivered.pictures.mapInArrow(self.storing, VERDICT))
                taken = verdicts.count()
            alone = cached(kept, delivered.alone)
            judged = cached(kept, once(verdicts, self._earlier(spark)))
            try:
                outcome = self._written(spark, judged, alone, taken + alone.count())
            except GateFailed:
                store.remove(verdicts.where("key IS NOT NULL").select("key").join(before, "key", "left_anti"))
                raise
            return self._swept(spark, outcome, before, verdicts)

    def _written(self, spark: SparkSession, judged: DataFrame, alone: DataFrame, taken: int) -> Outcome:
        """Stage the catalogue and the quarantine, judge, and commit."""
        bad = judged.where("rule IS NOT NULL").unionByName(alone, allowMissingColumns=True)
        with drafting() as drafts:
            drafts.append(good := self._stage(spark, judged.where("rule IS NULL"), self.tables.catalogue, ROW))
            drafts.append(refused := self._stage(spark, bad, self.tables.quarantine, REFUSED))
            rows = Rows(taken=taken, given=good.partition.rows, quarantined=refused.partition.rows)
            outcome = self._outcome(good.rows(spark), bad, rows, self._standing(spark, good))
            judgement = self._judgement(spark, good)
        return settled(outcome, drafts, [judgement])

    def _outcome(self, good: DataFrame, bad: DataFrame, rows: Rows, metrics: dict[str, float]) -> Outcome:
        return Outcome(
            summary=f"{self.tables.catalogue} ds={self.ds}: {rows}",
            rows=rows,
            headline=f"{rows.given:,} of {rows.taken:,} pictures of {self.ds} were let in",
            facts={"day": self.ds, "pictures": f"{rows.given:,}", "quarantined": f"{rows.quarantined:,}"},
            metrics=metrics,
            sections=sections.loaded(good, bad, rows, self.shown),
            warnings=sections.warnings(bad),
        )

    def _stage(self, spark: SparkSession, rows: DataFrame, table: Table, columns: StructType) -> Draft:
        return table.stage(spark, rows.select(*columns.names), ds=self.ds, run=self.run_id)

    def _earlier(self, spark: SparkSession) -> DataFrame:
        """key, sha256: the pictures of the days before."""
        catalogue = self.tables.catalogue
        days = [ds for ds in catalogue.dates(spark) if ds < self.ds]
        rows = catalogue.read(spark, days) if days else spark.createDataFrame([], ROW)
        return rows.select("key", "sha256")

    def _judgement(self, spark: SparkSession, good: Draft) -> Judgement:
        """By the application's judge, who also sees that the pictures that stand are not replaced by a poorer delivery."""
        judge, standing = self.judge, self._stands(spark)
        if standing and (least := math.ceil(standing.rows * self.least_share)):
            judge = replace(judge, expectations=[enough_rows(least, standing.rows), *judge.expectations])
        rows = measured(good.rows(spark).drop("ds"), self.storing.rules.classes)
        return judge.judged(rows, count=good.partition.rows, subject=f"{self.tables.catalogue} ds={self.ds}")

    def _stands(self, spark: SparkSession) -> Partition | None:
        catalogue = self.tables.catalogue
        return catalogue.current(spark, self.ds) if self.ds in catalogue.dates(spark) else None

    def _standing(self, spark: SparkSession, good: Draft) -> dict[str, float]:
        """How many pictures were delivered before as they are, have another content by now, and are gone."""
        if (standing := self._stands(spark)) is None:
            return {"again": 0, "replaced": 0, "gone": 0}
        old = self.tables.catalogue.pinned(spark, standing).select("key", "name")
        new = good.rows(spark).select(F.col("key").alias("now"), "name")
        both = old.join(new, "name", "left")
        counted = both.agg(
            F.count_if(F.col("key") == F.col("now")).alias("again"),
            F.count_if(F.col("key") != F.col("now")).alias("replaced"),
            F.count_if(F.col("now").isNull()).alias("gone"),
        )
        return {name: float(count) for name, count in counted.collect()[0].asDict().items()}

    def _swept(self, spark: SparkSession, outcome: Outcome, before: DataFrame, verdicts: DataFrame) -> Outcome:
        """Take out of HBase what was there or was put, and is not the day's: old pictures, deleted and repeated ones."""
        put = verdicts.where("key IS NOT NULL").select("key")
        kept = self.tables.catalogue.pinned(spark, outcome.partitions[0]).select("key")
        old = before.union(put).distinct().join(kept, "key", "left_anti")
        removed = self.storing.store.remove(old)
        return replace(outcome, metrics={**outcome.metrics, "removed": removed.rows}).warned(self._later(spark))

    def _later(self, spark: SparkSession) -> list[str]:
        """Warn of days after ours that have a picture of ours: they were loaded before, and are to be loaded again."""
        catalogue = self.tables.catalogue
        days = [ds for ds in catalogue.dates(spark) if ds > self.ds]
        if not days:
            return []
        found = later(catalogue.read(spark, [self.ds]), catalogue.read(spark, days))
        return [f"{count:,} pictures of ds={ds} are of this day; load {ds} again" for ds, count in found.items()]


def cached(kept: ExitStack, rows: DataFrame) -> DataFrame:
    """Rows worked out once while ``kept`` is open; longer, Spark would take them for those of the folder's next delivery."""
    found = rows.persist(StorageLevel.MEMORY_AND_DISK)
    kept.callback(found.unpersist)
    return found
