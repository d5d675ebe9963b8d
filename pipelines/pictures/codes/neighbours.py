"""Find the look-alikes of a day's objects among those of all days, by the distance of codes of one model: exact, ties by key."""

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from features.codes.dataframe import Neighbours
from infra.tables.hive import Draft, Partition, Table, read_files
from pipelines.outcome import Outcome, Rows
from pipelines.pictures.codes import sections
from pipelines.pictures.results import Results
from pipelines.pictures.store import result

SHOWN = 5
"""Look-alikes of a query in the report."""


@dataclass(frozen=True, kw_only=True)
class FindNeighbours:
    """Replace the look-alikes of a day: the ``k`` nearest of each of its ``codes`` ``among`` those of all days by the same model.

    HBase gets of each picture the cell ``neighbours_VERSION`` as JSON. The report shows ``shown`` objects with their look-alikes.
    ``codes`` are none where nothing was encoded.
    """

    codes: Partition | None
    among: Table
    version: str | None
    k: int
    results: Results
    shown: int = 12

    @property
    def ds(self) -> str:
        return self.results.ds

    def run(self, spark: SparkSession) -> Outcome:
        if self.codes is None:
            return Outcome(summary=f"{self.ds} skipped: none of its objects has a code")
        codes = self.codes
        return self.results.put(
            self.found(spark, codes),
            made_of=codes,
            cells=self.cells,
            outcome=lambda draft: self.outcome(spark, codes, draft),
        )

    def index(self, spark: SparkSession) -> DataFrame:
        """The codes of this model of all days."""
        days = [self.among.current(spark, ds) for ds in self.among.dates(spark)]
        return read_files(spark, days).where(F.col("model_version") == F.lit(self.version))

    def found(self, spark: SparkSession, codes: Partition) -> DataFrame:
        queries, index = (named(rows) for rows in (read_files(spark, [codes]), self.index(spark)))
        pairs = Neighbours(k=self.k, itself=False, key="object")(queries, index)
        return pairs.select(
            *_parted("key", "key", "place"),
            *_parted("neighbour", "neighbour_key", "neighbour_place"),
            "rank",
            "distance",
            F.lit(self.version).alias("model_version"),
        )

    def cells(self, found: DataFrame) -> DataFrame:
        """One row a picture, for HBase."""
        one = F.struct("place", "rank", "neighbour_key", "neighbour_place", "distance")
        objects = found.groupBy("key").agg(F.sort_array(F.collect_list(one)).alias("objects"))
        return objects.select("key", F.to_json("objects").alias(result("neighbours", str(self.version))))

    def outcome(self, spark: SparkSession, codes: Partition, draft: Draft) -> Outcome:
        rows = draft.partition.rows
        return Outcome(
            summary=f"{rows:,} look-alikes of {codes.rows:,} objects of {self.ds}",
            rows=Rows(taken=codes.rows, given=codes.rows),
            metrics={"neighbours": rows},
            sections=(sections.look_alikes(self.some(spark, codes, draft.rows(spark))),),
        )

    def some(self, spark: SparkSession, codes: Partition, found: DataFrame) -> list[sections.Query]:
        """Some objects, chosen by their keys' hashes, each with its look-alikes' small pictures."""
        seen = self.index(spark).select("key", "place", "label", "thumbnail")
        asked = read_files(spark, [codes]).orderBy(F.xxhash64("key", "place")).limit(self.shown)
        asked = asked.select("key", "place", "label", "thumbnail")
        other = seen.toDF("neighbour_key", "neighbour_place", "its_label", "its_thumbnail")
        pairs = (
            found.where(F.col("rank") <= SHOWN)
            .join(F.broadcast(asked), ["key", "place"])
            .join(other, ["neighbour_key", "neighbour_place"])
        )
        one = F.struct("rank", "its_label", "distance", "its_thumbnail")
        queries = pairs.groupBy("key", "place", "label", "thumbnail").agg(
            F.sort_array(F.collect_list(one)).alias("found")
        )
        return [
            sections.Query(
                label=row["label"],
                picture=bytes(row["thumbnail"]),
                found=[(each["its_label"], each["distance"], bytes(each["its_thumbnail"])) for each in row["found"]],
            )
            for row in queries.orderBy("label", "key", "place").collect()
        ]


def named(codes: DataFrame) -> DataFrame:
    """Codes under one name an object, in whose order ties are broken."""
    return codes.select(F.format_string("%s#%06d", "key", "place").alias("object"), "code")


def _parted(column: str, key: str, place: str) -> tuple[Column, Column]:
    """Key and place of an object's name."""
    whole = F.col(column)
    return (
        F.substring(whole, F.lit(1), F.length(whole) - 7).alias(key),
        F.substring_index(whole, "#", -1).cast("int").alias(place),
    )
