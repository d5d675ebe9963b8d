"""Find objects in a day's prepared pictures with a published detector: into a table, and beside the pictures in HBase."""

from dataclasses import dataclass
from functools import cached_property

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from dlcore import Artifact
from infra.tables import hadoop
from infra.tables.hive import Draft, Partition, read_files
from pipelines.outcome import Outcome, Rows
from pipelines.pictures.detection import sections
from pipelines.pictures.detection.detector import Detector
from pipelines.pictures.detection.evaluate import loaded, predicted
from pipelines.pictures.detection.shown import some_found
from pipelines.pictures.prepare import Prepared
from pipelines.pictures.results import Results
from pipelines.pictures.store import result
from pipelines.quantise import precision
from pipelines.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Detected:
    """The version that looked at a day's pictures, by which later steps go on; None: there was none."""

    version: str | None


@dataclass(frozen=True, kw_only=True)
class Detect:
    """Replace the detections of a day: those of at least their classes' thresholds, by the ``version`` of the registry.

    HBase gets of each picture the cell ``found_VERSION``, the same as JSON: of two models each has its own. Without a version there is
    nothing to detect by, and nothing is done.
    """

    prepared: Prepared
    partition: Partition
    detector: Detector
    registry: Registry
    version: str | None
    results: Results
    shown: int = 12

    @property
    def ds(self) -> str:
        return self.results.ds

    def run(self, spark: SparkSession) -> Outcome:
        if self.version is None:
            said = f"{self.ds} skipped: no model is champion yet; a training that publishes makes one"
            return Outcome(summary=said, result=Detected(version=None))
        found = self.found(spark).persist()
        try:
            return self.results.put(
                self.objects(found),
                made_of=self.partition,
                cells=lambda _: self.cells(found),
                outcome=lambda draft: self.outcome(found, draft),
            )
        finally:
            found.unpersist()

    @cached_property
    def model(self) -> Artifact:
        assert self.version is not None
        return loaded(self.registry.load(self.version).folder, self.detector)

    def found(self, spark: SparkSession) -> DataFrame:
        """key, name, pixels, sizes, what was found from the threshold on, error."""
        pieces = [hadoop.uri(self.prepared.folder / name) for name in self.prepared.pieces]
        names = read_files(spark, [self.partition]).selectExpr("key", "name", "width AS across", "height AS down")
        rows = spark.read.parquet(*pieces) if pieces else _none(spark)
        thresholds = F.array([F.lit(each) for each in self.detector.thresholds(self.model.details)])
        sure = F.filter("found", lambda one: one["score"] >= F.element_at(thresholds, one["label"]))
        return predicted(self.model, rows.join(F.broadcast(names), "key")).withColumn("found", sure)

    def objects(self, found: DataFrame) -> DataFrame:
        """One row an object."""
        labels = F.array([F.lit(name) for name in self.detector.classes])
        sides = {"left": "across", "top": "down", "right": "across", "bottom": "down"}
        return found.select("key", "across", "down", F.posexplode("found").alias("at", "one")).select(
            "key",
            (F.col("at") + 1).alias("place"),
            F.element_at(labels, F.col("one.label")).alias("label"),
            F.col("one.score").cast("double").alias("score"),
            *[(F.col(f"one.{edge}") * F.col(side)).cast("double").alias(edge) for edge, side in sides.items()],
            F.lit(self.version).alias("model_version"),
        )

    def cells(self, found: DataFrame) -> DataFrame:
        """One row a picture, for HBase; a picture in which nothing was found says so."""
        return found.where("error IS NULL").select("key", F.to_json("found").alias(result("found", self.model.id)))

    def outcome(self, found: DataFrame, draft: Draft) -> Outcome:
        counts = [
            (row["label"], row["count"])
            for row in draft.rows(found.sparkSession).groupBy("label").count().orderBy("label").collect()
        ]
        errors = found.where("error IS NOT NULL").count()
        objects = draft.partition.rows
        by = f"{self.model.id[:12]} in {precision(self.model) or 'torch'}"
        drawn = some_found(found.where("error IS NULL"), self.detector.classes, self.shown)
        return Outcome(
            summary=f"{objects:,} objects in {self.prepared.rows:,} pictures of {self.ds} found by {by}",
            rows=Rows(taken=self.prepared.rows, given=self.prepared.rows - errors, left_out=errors),
            metrics={"objects": objects, "unscored": errors},
            warnings=(f"{errors:,} pictures could not be looked at by the detector",) if errors else (),
            result=Detected(version=self.version),
            sections=(sections.detected(counts, self.prepared.rows, drawn, self.detector.classes),),
        )


def _none(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame([], "key string, pixels binary, width int, height int, targets binary")
