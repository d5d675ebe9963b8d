"""Pinned pictures become files that models read, as the preparation alone makes them; others are quarantined, and none is lost."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from apps.images.recipe import CLASSES, preparation
from features.pictures import voc
from features.pictures.dataframe import Prepare, raw
from features.pictures.preparing import pack, unpack
from infra.tables.fence import Superseded
from infra.tables.hive import Partition
from pipelines.dated.pin import HBasePin
from pipelines.outcome import Rows
from pipelines.pictures.catalogue import Tables
from pipelines.pictures.intake.load import Load
from pipelines.pictures.prepare import Prepared, PreparePictures
from pipelines.pictures.preparing import Preparing
from pipelines.pictures.store import FAMILIES, SCHEMA, Store, of_day
from pipelines.section import Grid
from tests.pipelines.pictures.conftest import DS, NAMES, SAMPLE, Day

Loading = Callable[[Day], Load]


@pytest.fixture
def partition(spark: SparkSession, day: Day, load: Loading) -> Partition:
    """Five pictures, of which one has no annotation."""
    day.deliver(*NAMES[:4])
    day.deliver(NAMES[4], annotated=False)
    return load(day).run(spark).partitions[0]


@pytest.fixture
def step(partition: Partition, store: Store, tables: Tables, tmp_path: Path) -> PreparePictures:
    prepare = Prepare(preparation=preparation(), targets="targets", encoding=raw)
    return PreparePictures(
        pin=HBasePin(partition=partition, source=replace(store.rows, selection=of_day(DS))),
        preparing=Preparing(prepare=prepare, classes=CLASSES, into=tmp_path / "prepared"),
        quarantine=tables.unprepared,
        run_id="run-1",
    )


def test_each_picture_is_in_a_file_as_the_preparation_alone_makes_it(
    spark: SparkSession, step: PreparePictures
) -> None:
    outcome = step.run(spark)
    prepared = outcome.left(Prepared)
    assert outcome.rows == Rows(taken=5, given=5) and prepared.rows == 5
    assert sorted(file.name for file in prepared.folder.iterdir()) == list(prepared.pieces)
    rows = {row["key"].split("|")[1]: row for row in pq.read_table(prepared.folder).to_pylist()}
    for name in NAMES[:5]:
        xml = (SAMPLE / "Annotations" / f"{name}.xml").read_bytes() if name != NAMES[4] else None
        seen = voc.annotation(xml) if xml else None
        packed = pack(seen.boxes, [CLASSES.index(label) for label in seen.labels], seen.difficult) if seen else None
        picture = (SAMPLE / "JPEGImages" / f"{name}.jpg").read_bytes()
        pixels, targets = preparation().with_targets(picture, packed)
        assert rows[f"{name}.jpg"]["pixels"] == pixels.tobytes()
        assert np.array_equal(unpack(rows[f"{name}.jpg"]["targets"]), targets)
    (grid,) = outcome.sections[0].parts
    assert isinstance(grid, Grid) and len(grid.tiles) == 5 and {*grid.legend} == {*CLASSES}
    assert step.run(spark).left(Prepared).rows == 5  # over what the first try left


def test_rows_of_a_pin_are_those_of_the_catalogue_and_no_others(
    spark: SparkSession, step: PreparePictures, store: Store
) -> None:
    leftover = spark.createDataFrame([(f"{DS}|left over|0", b"x", None)], SCHEMA)
    store.writer.write(leftover)
    rows = step.pin.read(spark).collect()
    assert len({row["key"] for row in rows}) == len(rows) == step.pin.rows == 5
    assert step.pin.fingerprint == step.pin.partition.fingerprint
    assert {bytes(row["picture"]) for row in rows} == {
        (SAMPLE / "JPEGImages" / f"{n}.jpg").read_bytes() for n in NAMES[:5]
    }


def test_a_picture_that_is_gone_from_hbase_is_named_and_not_passed_over(
    spark: SparkSession, step: PreparePictures, store: Store
) -> None:
    store.remove(store.keys(spark, DS).limit(1), FAMILIES)
    with pytest.raises(Superseded, match="of the 5 rows that this run works on 4 are in HBase's table"):
        step.pin.read(spark)
    with pytest.raises(Superseded, match="start this run again"):
        step.run(spark)
    assert not step.preparing.into.exists() and not list(step.preparing.into.parent.glob(".prepared*"))


def test_pictures_that_cannot_be_prepared_are_quarantined_with_why(
    spark: SparkSession, step: PreparePictures, tables: Tables, store: Store
) -> None:
    keys = [row["key"] for row in store.keys(spark, DS).orderBy("key").collect()]
    store.writer.write(spark.createDataFrame([(keys[4], b"GIF89a", None)], SCHEMA))
    fewer = replace(step, preparing=replace(step.preparing, classes=("RBC", "Platelets")))
    outcome = fewer.run(spark)
    found = {row["name"]: row["reason"] for row in tables.unprepared.read(spark, [DS]).collect()}
    assert outcome.rows == Rows(taken=5, given=5 - len(found), quarantined=len(found))
    assert found[f"{NAMES[4]}.jpg"].startswith("type: a picture must be a JPEG or a PNG, this is a GIF")
    assert any(reason == "class: objects must be of RBC, Platelets, got WBC" for reason in found.values())
