"""From landing files to look-alikes in HBase, by the application's own steps, on few pictures: a training and a later day."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql.types import StringType, StructField, StructType

from apps.images.recipe import CELLS
from infra.hbase.rows import Rows as HBaseRows
from infra.hbase.service import Service, opened
from infra.settings import Settings
from infra.tables.hive import read_files
from pipelines.outcome import Rows
from pipelines.pictures.stages import pictures
from pipelines.pictures.store import FAMILIES, FAMILY, RESULTS, result
from pipelines.publish import Published
from pipelines.registry import Registry
from pipelines.section import Grid
from tests.pipelines.pictures.conftest import DS, NAMES, NEXT, Day
from tests.steps import Bench

PARAMS = {"epochs": 1, "batch": 8, "workers": 2, "seed": 7, "shown": 3, "int8_bound": 1.0, "bits": 16, "look_alikes": 2}
NO_DATES = {"first_date": None, "last_date": None}


@pytest.fixture
def bench(spark: SparkSession, hbase: Service, database: str, tmp_path: Path) -> Bench:
    """The images application under another name, with two days landed: one in splits, and one that nobody has annotated."""
    hbase.start()
    landing = tmp_path / "landing"
    first, later = (Day(landing, ds, database) for ds in (DS, NEXT))
    for split, names in {"train": NAMES[:12], "val": NAMES[12:16], "test": NAMES[16:22]}.items():
        first.deliver(*names, split=split)
    later.deliver(*NAMES[22:25], annotated=False)
    settings = Settings(state=hbase.settings.state, landing=str(landing), registry=str(tmp_path / "registry"))
    stages = pictures(replace(CELLS, name=database, regions=2))
    return Bench(spark=spark, app=database, stages=stages, settings=settings, params=PARAMS | NO_DATES)


@pytest.mark.timeout(1200)  # two minutes on two cores that nobody else uses
def test_a_training_makes_a_champion_that_finds_objects_and_look_alikes_in_later_days(bench: Bench) -> None:
    for step in ("load", "prepare", "detect", "encode", "neighbours"):
        told = bench.do("daily-1", step, DS)
        assert step in ("load", "prepare") or "skipped" in told.summary

    dates = {"first_date": DS, "last_date": DS}
    for step in ("pin", "prepare", "train", "evaluate", "quantise", "codes", "publish"):
        told = bench.do("training-1", step, DS, **dates)
    published = told.left(Published)
    assert published.moved and published.champion == published.version
    champion = Registry(folder=Path(bench.settings.registry) / bench.app).champion()
    assert champion.details["pictures"] == {"train": 12, "val": 4, "test": 6}
    assert champion.details["precision"] == "int8" and {"ir/int8.xml", "coder/weights.safetensors"} <= {
        "coder/weights.safetensors" if name.startswith("coder/") else name for name in champion.files
    }
    thresholds = dict.fromkeys(champion.details["thresholds"], 0.0)  # two steps of training make nobody sure
    everything = champion.with_details({"thresholds": thresholds}, folder=str(bench.settings.state / "everything"))
    with (registry := Registry(folder=Path(bench.settings.registry) / bench.app)).changing():
        registry.promote(registry.add(everything), by="test", reason="it finds something")

    found = [bench.do("daily-2", step, NEXT) for step in ("load", "prepare", "detect", "encode", "neighbours")]
    detected, encoded, alike = found[2:]
    assert detected.rows == Rows(taken=3, given=3)
    objects, codes, pairs = (read_files(bench.spark, each.partitions[:1]) for each in (detected, encoded, alike))
    assert {row["model_version"] for row in objects.select("model_version").distinct().collect()} == {everything.id}
    assert codes.count() == objects.count() == encoded.metrics["codes"] > 3
    assert {len(row["code"]) for row in codes.select("code").collect()} == {2}
    nearest = brute_force(codes.collect())
    told_pairs = {(row["key"], row["place"], row["rank"]): row["distance"] for row in pairs.collect()}
    assert told_pairs == nearest
    assert in_hbase(bench, "found", everything.id) == {
        row["key"]: row["count"] for row in objects.groupBy("key").count().collect()
    }
    assert in_hbase(bench, "codes", everything.id).keys() == in_hbase(bench, "neighbours", everything.id).keys()
    grids = [part for outcome in (detected, alike) for part in outcome.sections[0].parts if isinstance(part, Grid)]
    assert [len(grid.tiles) for grid in grids] == [3, 3]


def brute_force(codes: list[Any]) -> dict[tuple[str, int, int], int]:
    """The distances of the two nearest others of each object, by its key and place, and their ranks."""
    bits = {(row["key"], row["place"]): int.from_bytes(row["code"]) for row in codes}
    nearest: dict[tuple[str, int, int], int] = {}
    for one, code in bits.items():
        others = sorted((code ^ other).bit_count() for name, other in bits.items() if name != one)[:2]
        nearest |= {(*one, rank): distance for rank, distance in enumerate(others, 1)}
    return nearest


def in_hbase(bench: Bench, name: str, version: str) -> dict[str, int]:
    """How many entries HBase has under a name for each picture of the later day."""
    address = opened(bench.settings, bench.app, FAMILIES, regions=2)
    schema = StructType(
        [StructField("key", StringType()), StructField(f"{RESULTS}:{result(name, version)}", StringType())]
    )
    rows = HBaseRows(address=address, table=bench.app, schema=schema, family=FAMILY)
    told = rows.mapped(bench.spark, lambda batches: batches, schema).collect()
    return {row[0]: len(json.loads(row[1])) for row in told if row[1] is not None}
