"""What was delivered for a day: pictures, the annotations beside them, and the lists of splits, in any layout of folders like VOC's."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from urllib.parse import unquote

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from infra.tables import hadoop
from pipelines.dated.inspection import refuse_broken_links
from pipelines.dated.source import BadDelivery


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """``pictures``: name, source, bytes, picture (null where it has too many bytes), annotation, splits.

    ``alone`` are annotations and names in splits that have no picture: name, source, bytes, rule, reason.
    """

    pictures: DataFrame
    alone: DataFrame


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """The files of one folder, and all below it, below the landing folder ``root``.

    Files that end in ``.xml`` are annotations, files below a folder ImageSets are lists, all others are pictures. An annotation is
    its picture's by their names without what follows the last dot.
    """

    root: str
    folder: str

    def read(self, spark: SparkSession, splits: Sequence[str], most_bytes: int) -> Delivered:
        """Pictures of at most ``most_bytes`` with their bytes; only lists of ``splits`` count."""
        files = self._files(spark)
        pictures = files.where("kind = 'picture'")
        annotations = self._numbered(files.where("kind = 'annotation'"))
        named = self._named(files, splits)
        first = annotations.where("copy = 1").select("stem", F.col("content").alias("annotation"))
        whole = pictures.where(F.col("length") <= most_bytes)
        large = pictures.where(F.col("length") > most_bytes).withColumn("content", F.lit(None).cast("binary"))
        joined = (
            whole.unionByName(large)
            .join(F.broadcast(first), "stem", "left")
            .join(F.broadcast(named), "stem", "left")
            .select("name", "source", _bytes(), F.col("content").alias("picture"), "annotation", "splits")
        )
        return Delivered(pictures=joined, alone=self._alone(pictures, annotations, named))

    def _files(self, spark: SparkSession) -> DataFrame:
        """Every file: source, name, stem, kind, length, content."""
        folder = f"{self.root}/{self.folder}"
        refuse_broken_links(folder)
        if not hadoop.entries(spark, folder):
            raise BadDelivery(f"nothing has landed in {folder}; deliver pictures there, then run the step again")
        read = spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(folder)
        files = read.withColumn("source", self._below("path")).select("source", "length", "content")
        files = files.unionByName(self._empty(spark, read.inputFiles(), files))
        kind = F.when(F.contains("source", F.lit("/ImageSets/")), "list")
        kind = kind.when(F.endswith(F.lower("name"), F.lit(".xml")), "annotation").otherwise("picture")
        return (
            files.withColumn("name", F.substring_index("source", "/", -1))
            .withColumn("stem", F.regexp_replace("name", r"\.[^.]*$", ""))
            .withColumn("kind", kind)
        )

    def _empty(self, spark: SparkSession, listed: Sequence[str], read: DataFrame) -> DataFrame:
        """Files without a byte, which Spark lists and does not read."""
        paths = spark.createDataFrame([(unquote(path),) for path in listed], "path string")
        names = paths.select(self._below("path").alias("source")).join(read.select("source"), "source", "left_anti")
        return names.select("source", F.lit(0).cast("bigint").alias("length"), F.unhex(F.lit("")).alias("content"))

    def _below(self, path: str) -> Column:
        """A file's path below the landing folder."""
        return F.concat(F.lit(f"{self.folder}/"), F.substring_index(path, f"/{self.folder}/", -1))

    def _numbered(self, annotations: DataFrame) -> DataFrame:
        """Annotations of one name, numbered: the first is the picture's."""
        place = F.row_number().over(Window.partitionBy("stem").orderBy("source"))
        return annotations.withColumn("copy", place)

    def _named(self, files: DataFrame, splits: Sequence[str]) -> DataFrame:
        """stem, splits: the lists that name it, by its whole line or by the first word: a class's own lists have 1 or -1 behind it."""
        lists = files.where(F.col("kind") == "list").where(F.col("stem").isin(list(splits)))
        lines = lists.select(
            F.col("stem").alias("split"), F.explode(F.split(F.decode("content", "UTF-8"), "\n")).alias("line")
        ).select("split", F.regexp_replace("line", r"^\s+|\s+$", "").alias("stem"))
        known = files.where("kind != 'list'").select("stem", F.lit(True).alias("known")).distinct()
        name = F.when(F.col("known"), F.col("stem")).otherwise(F.regexp_extract("stem", r"^\S*", 0))
        names = lines.join(known, "stem", "left").select("split", name.alias("stem"))
        return names.where("stem != ''").groupBy("stem").agg(F.sort_array(F.collect_set("split")).alias("splits"))

    def _alone(self, pictures: DataFrame, annotations: DataFrame, named: DataFrame) -> DataFrame:
        stems = pictures.select("stem").distinct()
        again = _refused(annotations.where("copy > 1"), "name", "another annotation has its name")
        without = annotations.where("copy = 1").join(stems, "stem", "left_anti")
        without = _refused(without, "no picture", "an annotation must have its picture, this has none")
        listed = named.join(stems, "stem", "left_anti").join(annotations.select("stem"), "stem", "left_anti")
        listed = listed.select(F.col("stem").alias("name"), F.lit(f"{self.folder}/ImageSets").alias("source"))
        listed = listed.withColumn("length", F.lit(0).cast("bigint"))
        listed = _refused(listed, "no picture", "a name in a split must have its picture, this has none")
        return reduce(DataFrame.unionByName, [again, without, listed])


def _bytes() -> Column:
    return F.col("length").alias("bytes")


def _refused(rows: DataFrame, rule: str, why: str) -> DataFrame:
    return rows.select("name", "source", _bytes(), F.lit(rule).alias("rule"), F.lit(f"{rule}: {why}").alias("reason"))
