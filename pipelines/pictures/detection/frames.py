"""The prepared pictures of some days, with what the catalogue says of each: what a detector is trained and judged on."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from infra.tables import hadoop
from infra.tables.hive import Partition, read_files
from pipelines.dated.pin import TablePin
from pipelines.pictures.detection.detector import PICTURE, TARGETS
from pipelines.pictures.prepare import Prepared

CONTENT = F.xxhash64
"""Of a picture's ``sha256``: by what a model remembers which pictures it has seen."""


@dataclass(frozen=True, kw_only=True)
class Frames:
    """``prepared`` are the pieces of each day, ``partitions`` its catalogue."""

    prepared: tuple[Prepared, ...]
    partitions: tuple[Partition, ...]

    @property
    def identity(self) -> str:
        """A name of the pictures by content."""
        return TablePin(partitions=self.partitions).fingerprint

    def read(self, spark: SparkSession, *splits: str) -> DataFrame:
        """key, pixels, width, height, targets, name, sha256 of the pictures of these splits, in the order of their keys."""
        pieces = [hadoop.uri(day.folder / name) for day in self.prepared for name in day.pieces]
        named = self._catalogue(spark, splits).select("key", "name", "sha256")
        if not pieces:
            raise LookupError("no picture of these days could be prepared, so there is nothing to train on or to judge")
        return spark.read.parquet(*pieces).join(F.broadcast(named), "key").orderBy("key")

    def labelled(self, split: str, spark: SparkSession | None) -> DataFrame:
        """What a model is trained or judged on, of one split."""
        assert spark is not None
        return self.read(spark, split).select(PICTURE, TARGETS)

    def seen(self, spark: SparkSession, *splits: str) -> NDArray[np.int64]:
        """The contents of the pictures of these splits, in ascending order."""
        hashes = self._catalogue(spark, splits).select(CONTENT("sha256").alias("hash"))
        return np.unique(hashes.toArrow()["hash"].to_numpy())

    def _catalogue(self, spark: SparkSession, splits: Collection[str]) -> DataFrame:
        return read_files(spark, self.partitions).where(F.col("split").isin(list(splits)))
