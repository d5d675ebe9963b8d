"""Score every row of a date with the champion, into the table of scores."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from torch import nn

from dlcore import Artifact
from dlcore.inference import predict
from infra.hive import Partition, Table
from pipelines.outcome import Outcome, Rows, Session
from pipelines.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Score:
    """Replace the scores of the pinned ``partition``'s date: one row for each of its rows, by the registry's champion."""

    session: ClassVar[Session] = "hive"

    partition: Partition
    features: Table
    scores: Table
    registry: Registry
    models: Mapping[str, Callable[..., nn.Module]]
    run_id: str
    key: tuple[str, ...] = ("source_file", "source_line")

    def run(self, spark: SparkSession | None) -> Outcome:
        assert spark is not None
        champion = self.registry.champion()
        rows = scored(self.features.pinned(spark, self.partition), champion, self.models, self.key)
        written = self.scores.replace(spark, rows, ds=self.partition.ds, run=self.run_id)
        flagged = self.scores.pinned(spark, written).agg(F.sum("decision")).first()
        decided = int(flagged[0] or 0) if flagged else 0
        return Outcome(
            summary=f"{written.rows:,} rows of {self.partition.ds} scored by {champion.id[:12]}, {decided:,} to review",
            rows=Rows(taken=self.partition.rows, given=written.rows),
            metrics={"flagged": decided},
            partitions=(written,),
            details={"model_version": champion.id, "ds": self.partition.ds},
        )


def scored(
    rows: DataFrame, champion: Artifact, models: Mapping[str, Callable[..., nn.Module]], key: tuple[str, ...]
) -> DataFrame:
    """Return key, probability, decision at the champion's threshold, and the champion's version, for each row."""
    names = champion.details["features"]
    rated = predict(rows.select(*key, *names), champion, models, features=names, outputs={"probability": "double"})
    decision = (F.col("probability") >= champion.details["threshold"]).cast("int")
    return rated.select(*key, "probability", decision.alias("decision"), F.lit(champion.id).alias("model_version"))
