"""The pictures of a run made ready for models where they are scanned: from HBase to Parquet files, through no JVM."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import numpy as np
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from features.pictures.headers import BadPicture
from infra.hbase.keys import EVERYTHING
from infra.tables.hive import Partition, Table, read_files
from pipelines.dated.pin import HBasePin
from pipelines.outcome import Outcome, Rows
from pipelines.pictures import sections
from pipelines.pictures.catalogue import REFUSED
from pipelines.pictures.drawing import address, drawn, jpeg
from pipelines.pictures.preparing import TOLD_IN_SPARK, Preparing
from pipelines.section import Section, Tile


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Files of ready pictures in ``folder``, and how many there are; ``classes`` are those of the boxes, by number."""

    folder: Path
    pieces: tuple[str, ...]
    rows: int
    classes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PreparePictures:
    """Prepare the pinned pictures as ``preparing`` says, into its folder; those that cannot be go to ``quarantine`` with why.

    ``shown`` is how many the report shows.
    """

    pin: HBasePin
    preparing: Preparing
    quarantine: Table
    run_id: str
    shown: int = 12

    @property
    def catalogue(self) -> Partition:
        return self.pin.partition

    def run(self, spark: SparkSession) -> Outcome:
        aside = self.preparing.into.with_name(f".{self.preparing.into.name}.{uuid4().hex[:8]}")
        aside.mkdir(parents=True)
        try:
            return self._run(spark, aside)
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _run(self, spark: SparkSession, aside: Path) -> Outcome:
        task = Preparing(prepare=self.preparing.prepare, classes=self.preparing.classes, into=aside)
        told = self.pin.mapped(spark, task, TOLD_IN_SPARK).persist()
        try:
            return self._told(spark, told, aside)
        finally:
            told.unpersist()

    def _told(self, spark: SparkSession, told: DataFrame, aside: Path) -> Outcome:
        """Put what the tasks made in its place, and what they could not make in quarantine."""
        self.pin.require(told.select("key").distinct().count())
        rows, bad = read_files(spark, [self.catalogue]), told.where("error IS NOT NULL")
        refused = self._refused(rows, bad)
        draft = self.quarantine.stage(spark, refused.select(*REFUSED.names), ds=self.catalogue.ds, run=self.run_id)
        prepared, size = self._placed(told, aside)
        counted = Rows(taken=self.catalogue.rows, given=prepared.rows, quarantined=draft.partition.rows)
        return Outcome(
            summary=f"{self.catalogue.table} ds={self.catalogue.ds}: {counted}, {size / 1e6:.1f} MB in {len(prepared.pieces)} files",
            rows=counted,
            metrics={"bytes": size},
            partitions=(draft.commit(),),
            result=prepared,
            sections=(
                self._section(rows),
                sections.refused(refused, counted.quarantined, self.shown, "could not be prepared"),
            ),
            warnings=sections.warnings(refused),
        )

    def _refused(self, rows: DataFrame, bad: DataFrame) -> DataFrame:
        """Those that could not be prepared, as rows of quarantine."""
        why = bad.select("key", F.substring_index("error", ":", 1).alias("rule"), F.col("error").alias("reason"))
        return rows.join(why, "key").withColumn("thumbnail", F.lit(None).cast("binary"))

    def _placed(self, told: DataFrame, aside: Path) -> tuple[Prepared, int]:
        """Put the files of the tasks that ended in their place; those of others, which Spark gave up, are left out."""
        into = self.preparing.into
        found = (
            told.where("piece IS NOT NULL")
            .groupBy("piece")
            .agg(F.count("*").alias("rows"), F.sum("bytes").alias("bytes"))
        )
        pieces = {row["piece"]: row for row in found.collect()}
        for file in aside.iterdir():
            if file.name not in pieces:
                file.unlink()
        shutil.rmtree(into, ignore_errors=True)
        aside.rename(into)
        rows = sum(row["rows"] for row in pieces.values())
        prepared = Prepared(folder=into, pieces=tuple(sorted(pieces)), rows=rows, classes=self.preparing.classes)
        return prepared, sum(row["bytes"] for row in pieces.values())

    def _section(self, rows: DataFrame) -> Section:
        """Some of the pictures, chosen by their keys' hashes, so that a run shows the same ones when it is tried again."""
        chosen = rows.orderBy(F.xxhash64("key")).limit(self.shown).select("key", "name", "split").collect()
        names = {row["key"]: (row["name"], row["split"]) for row in chosen}
        tiles = [self._tile(*names[key], picture, xml) for key, picture, xml in self._read(names)]
        note = f"{len(tiles)} of {self.catalogue.rows:,}, with the boxes of their annotations."
        return sections.prepared([tile for tile in tiles if tile], self.preparing.classes, note)

    def _read(self, keys: Iterable[str]) -> list[tuple[str, bytes, bytes | None]]:
        """Rows of HBase by key, got by the driver itself."""
        some = replace(self.pin.source, selection=EVERYTHING.only(key.encode() for key in keys))
        batches = [batch for part in some.parts() for batch in some.batches(part)]
        rows = [row for batch in batches for row in batch.to_pylist()]
        return [(row["key"], row["picture"], row["annotation"]) for row in rows]

    def _tile(self, name: str, split: str | None, picture: bytes, xml: bytes | None) -> Tile | None:
        try:
            pixels, found = self.preparing.prepare.preparation.with_targets(picture, self.preparing.targets(xml))
        except (BadPicture, ValueError):
            return None  # it is in quarantine with its reason
        numbers = found[:, 4].astype(int).tolist()
        shown = drawn(pixels, found[:, :4].astype(np.float64), numbers)
        counts = [
            f"{numbers.count(number)} {label}"
            for number, label in enumerate(self.preparing.classes)
            if number in numbers
        ]
        return Tile(picture=address(jpeg(shown)), caption=name, note=", ".join([*([split] if split else []), *counts]))
