"""Score every row of a date with a published model, into the table of scores."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from dlcore import Artifact
from infra.tables.hive import Draft, Partition, Table
from pipelines.binary.frames import preparation
from pipelines.binary.models.ensemble import models
from pipelines.binary.models.fitting import Network
from pipelines.dated.judge import Judge, drafting, settled
from pipelines.outcome import Outcome, Rows
from pipelines.quantise import precision
from pipelines.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Score:
    """Replace the scores of ``ds``: one row for each row of ``features``, by the ``version`` of the registry.

    ``partition`` is the pinned one; none: the current one. Without a version there is nothing to score by, and nothing is done.
    """

    ds: str
    partition: Partition | None
    features: Table
    scores: Table
    registry: Registry
    version: str | None
    networks: Mapping[str, Network]
    key: tuple[str, ...]
    judge: Judge
    scratch: Path
    run_id: str

    def run(self, spark: SparkSession | None) -> Outcome:
        assert spark is not None
        if self.version is None:
            return Outcome(summary=f"{self.ds} skipped: no model is champion yet; a training that publishes makes one")
        model = self.registry.load(self.version)
        pinned = self.partition or self.features.current(spark, self.ds)
        rows = scored(self.features.pinned(spark, pinned), model, self.networks, self.key, self.scratch)
        with drafting() as drafts:
            inputs = {f"{self.features} ds={self.ds}": pinned.fingerprint}
            drafts.append(draft := self.scores.stage(spark, rows, ds=self.ds, run=self.run_id, inputs=inputs))
            outcome, judgement = self.outcome(spark, pinned, draft, model), self.judge.draft(draft)
        return settled(outcome, drafts, [judgement])

    def outcome(self, spark: SparkSession, taken: Partition, draft: Draft, model: Artifact) -> Outcome:
        written = draft.partition
        counted = draft.rows(spark).agg(F.sum("decision"), F.count_if(F.col("probability").isNull())).first()
        assert counted is not None
        decided, unscored = int(counted[0] or 0), int(counted[1])
        how = f"in {scored_in}" if (scored_in := precision(model)) else "by torch"
        lost = f"{unscored:,} rows have a feature that is no finite number and got no score"
        return Outcome(
            summary=f"{written.rows:,} rows of {self.ds} scored by {model.id[:12]} {how}, {decided:,} to review",
            rows=Rows(taken=taken.rows, given=written.rows),
            metrics={"flagged": decided, "unscored": unscored},
            warnings=(lost,) if unscored else (),
        )


def scored(
    rows: DataFrame, artifact: Artifact, networks: Mapping[str, Network], key: tuple[str, ...], scratch: Path
) -> DataFrame:
    """Return key, probability, decision at the model's threshold, and the model's version, for each row, in the artifact's precision.

    A row with a feature that is no finite number has neither probability nor decision. A pipeline that prepares the rows is laid
    out below ``scratch``.
    """
    found = rows.select(*dict.fromkeys([*key, *artifact.details["sources"]]))
    if prepared := preparation.of(artifact, scratch):
        found = prepared.applied(found)
    features = found.select(*key, *artifact.details["features"])
    rated = replace(artifact, models=models(networks)).predict(features, precision=precision(artifact))
    decision = (F.col("probability") >= artifact.details["threshold"]).cast("int")
    return rated.select(*key, "probability", decision.alias("decision"), F.lit(artifact.id).alias("model_version"))
