"""Champion and challenger on test rows that neither has seen: average precision of both, and an interval of the difference."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyspark.sql import SparkSession

from dlcore import Artifact, AveragePrecision
from infra.tables import hadoop
from pipelines.binary.frames import preparation
from pipelines.binary.frames.roles import Roles
from pipelines.binary.frames.seen import Seen
from pipelines.binary.frames.split import Frames
from pipelines.binary.measures import predictions
from pipelines.binary.measures.figures import average_precision
from pipelines.binary.measures.interval import LEVEL, lead
from pipelines.binary.measures.scored import Scored
from pipelines.binary.models.ensemble import models
from pipelines.binary.models.fitting import Network
from pipelines.publish import Incomparable, Lead
from pipelines.quantise import precision


@dataclass(frozen=True, kw_only=True)
class Meeting:
    """Lets two artifacts rate, each as it is to score, those test rows of ``frames`` that lie outside the time that the champion has seen.

    The challenger has not seen any of them: they are the test rows of its own split. A model that prepares its rows by a pipeline
    does so again, below ``scratch``.
    """

    frames: Frames
    networks: Mapping[str, Network]
    roles: Roles
    scratch: Path

    def __call__(self, spark: SparkSession | None, champion: Artifact, challenger: Artifact) -> Lead:
        seen = Seen.by(champion.details)
        if seen is None:
            raise Incomparable(f"version {champion.id[:12]} does not say which rows it has seen")
        first, second = (self.rated(spark, each, seen) for each in (champion, challenger))
        interval = lead(second, first)
        return Lead(
            metric=AveragePrecision(),
            champion=average_precision(first),
            challenger=average_precision(second),
            low=interval.low,
            high=interval.high,
            confidence=LEVEL,
            rows=len(first.label),
        )

    def rated(self, spark: SparkSession | None, model: Artifact, seen: Seen) -> Scored:
        """The model's probabilities for the rows that lie outside of ``seen``."""
        keep = self.roles.kept
        scored_in = precision(model)
        module = model.module(models(self.networks)) if scored_in is None else model.ir(scored_in)
        try:
            folder = self.prepared(spark, model)
            rows, probability_N = predictions.rate(folder, model.details["features"], keep, module)
        except predictions.ColumnsMissing as missing:
            raise Incomparable(f"version {model.id[:12]} asks for other columns: {missing}") from missing
        time_N = predictions.seconds(rows, self.roles.time)
        unseen_N = (time_N < seen.first_s) | (time_N > seen.last_s)
        kept = rows.filter(pa.array(unseen_N))
        self.refuse_too_few(kept, seen)
        return predictions.scored(kept, probability_N.numpy()[unseen_N], self.roles)

    def prepared(self, spark: SparkSession | None, model: Artifact) -> Path:
        """The test rows with the features of ``model``."""
        test = self.frames.path("test")
        found = preparation.of(model, self.scratch)
        if found is None:
            return test
        if spark is None:
            raise Incomparable(
                f"version {model.id[:12]} prepares its rows by Spark, and this app's publishing has no session"
            )
        columns = dict.fromkeys([*self.roles.kept, *model.details["sources"]])
        rows = spark.read.parquet(hadoop.uri(test))
        if lacking := [name for name in columns if name not in rows.columns]:
            raise predictions.ColumnsMissing(f"the rows of {test} lack {lacking}")
        into = self.scratch / f"{model.id}-test"
        found.applied(rows.select(*columns)).write.mode("overwrite").parquet(hadoop.uri(into))
        return into

    def refuse_too_few(self, rows: pa.Table, seen: Seen) -> None:
        positives = int(rows[self.roles.label].to_numpy().sum()) if len(rows) else 0
        if not 0 < positives < len(rows):
            raise Incomparable(
                f"of the test rows, {len(rows):,} with {positives:,} positives lie outside of what the champion has seen (times "
                f"{seen.first_s:.0f} to {seen.last_s:.0f} s), and both kinds are needed; train on a range that ends later"
            )
