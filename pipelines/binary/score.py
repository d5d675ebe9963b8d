"""Score every row of a date with a published model, into the table of scores."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from torch import nn

from dlcore import Artifact
from infra.tables.hive import Partition, Table, read_files
from pipelines.outcome import Outcome, Rows
from pipelines.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Score:
    """Replace the scores of the pinned ``partition``'s date: one row for each of its rows, by the ``version`` of the registry."""

    partition: Partition
    features: Table
    scores: Table
    registry: Registry
    version: str
    models: Mapping[str, Callable[..., nn.Module]]
    run_id: str
    key: tuple[str, ...] = ("source_file", "source_line")

    def run(self, spark: SparkSession | None) -> Outcome:
        assert spark is not None
        model = self.registry.load(self.version)
        rows = scored(self.features.pinned(spark, self.partition), model, self.models, self.key)
        written = self.scores.replace(spark, rows, ds=self.partition.ds, run=self.run_id)
        counted = read_files(spark, [written]).agg(F.sum("decision"), F.count_if(F.col("probability").isNull())).first()
        assert counted is not None
        decided, unscored = int(counted[0] or 0), int(counted[1])
        return Outcome(
            summary=f"{written.rows:,} rows of {self.partition.ds} scored by {model.id[:12]}, {decided:,} to review",
            rows=Rows(taken=self.partition.rows, given=written.rows),
            metrics={"flagged": decided, "unscored": unscored},
            warnings=(f"{unscored:,} rows have a feature that is no finite number and got no score",)
            if unscored
            else (),
            partitions=(written,),
            details={"model_version": model.id, "ds": self.partition.ds},
        )


def scored(
    rows: DataFrame, artifact: Artifact, models: Mapping[str, Callable[..., nn.Module]], key: tuple[str, ...]
) -> DataFrame:
    """Return key, probability, decision at the model's threshold, and the model's version, for each row.

    A row with a feature that is no finite number has neither probability nor decision.
    """
    rated = replace(artifact, models=models).predict(rows.select(*key, *artifact.details["features"]))
    decision = (F.col("probability") >= artifact.details["threshold"]).cast("int")
    return rated.select(*key, "probability", decision.alias("decision"), F.lit(artifact.id).alias("model_version"))
