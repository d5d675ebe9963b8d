"""Encode the objects found in a day's pictures with the coder of the model that found them: into a table, and into HBase."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from dlcore import Artifact
from infra.tables import hadoop
from infra.tables.hive import Draft, Partition, read_files
from pipelines.outcome import Outcome, Rows
from pipelines.pictures.catalogue import EDGES
from pipelines.pictures.codes import coder
from pipelines.pictures.codes.cropping import Cropping, detected
from pipelines.pictures.prepare import Prepared
from pipelines.pictures.results import Results
from pipelines.pictures.store import result
from pipelines.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Encode:
    """Replace the codes of a day: one for each object of the ``detections`` of that day, by the coder of the same ``version``.

    HBase gets of each picture the cell ``codes_VERSION``: the codes of its objects by place, as JSON, in hexadecimal. ``detections``
    are none where there was no model.
    """

    prepared: Prepared
    catalogue: Partition
    detections: Partition | None
    registry: Registry
    version: str | None
    results: Results
    scratch: Path

    @property
    def ds(self) -> str:
        return self.results.ds

    def run(self, spark: SparkSession) -> Outcome:
        if self.version is None or self.detections is None:
            return Outcome(summary=f"{self.ds} skipped: nothing was looked for, since no model is champion yet")
        if not self.detections.rows:
            return Outcome(summary=f"{self.ds} skipped: nothing was found in its pictures")
        return self.results.put(self.codes(spark), made_of=self.detections, cells=self.cells, outcome=self.outcome)

    @cached_property
    def coder(self) -> Artifact:
        assert self.version is not None
        return coder.of(self.registry.load(self.version), self.scratch)

    def codes(self, spark: SparkSession) -> DataFrame:
        crops = Cropping(framed=detected, classes=self.prepared.classes)(self.pictures(spark))
        found = self.coder.predict(crops).where("error IS NULL")
        return found.select("key", "place", "label", "code", "thumbnail", F.lit(self.version).alias("model_version"))

    def pictures(self, spark: SparkSession) -> DataFrame:
        """key, pixels, sizes, and of each picture its objects by place, edges relative to it."""
        assert self.detections is not None
        pieces = [hadoop.uri(self.prepared.folder / name) for name in self.prepared.pieces]
        sizes = read_files(spark, [self.catalogue]).selectExpr("key", "width AS across", "height AS down")
        sides = dict(zip(EDGES, ("across", "down") * 2, strict=True))
        one = F.struct("place", "label", *[(F.col(edge) / F.col(side)).alias(edge) for edge, side in sides.items()])
        found = read_files(spark, [self.detections]).join(sizes, "key")
        objects = found.groupBy("key").agg(F.sort_array(F.collect_list(one)).alias("objects"))
        return spark.read.parquet(*pieces).select("key", "pixels", "width", "height").join(F.broadcast(objects), "key")

    def cells(self, codes: DataFrame) -> DataFrame:
        """One row a picture, for HBase."""
        one = F.struct("place", F.lower(F.hex("code")).alias("code"))
        objects = codes.groupBy("key").agg(F.sort_array(F.collect_list(one)).alias("objects"))
        return objects.select("key", F.to_json("objects").alias(result("codes", str(self.version))))

    def outcome(self, draft: Draft) -> Outcome:
        assert self.detections is not None
        coded = draft.partition.rows
        lost = self.detections.rows - coded
        return Outcome(
            summary=f"{coded:,} of {self.detections.rows:,} objects of {self.ds} encoded by {str(self.version)[:12]}",
            rows=Rows(taken=self.detections.rows, given=coded, left_out=lost),
            metrics={"codes": coded},
            warnings=(f"{lost:,} objects have no code: their boxes frame nothing, or the coder fails on them",)
            if lost
            else (),
        )
