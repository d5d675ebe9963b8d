"""A detector from landing files to results in HBase, by the application's own steps, on few pictures: a training and a later day."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql.types import StringType, StructField, StructType

from apps.images.recipe import CELLS
from dlcore import Artifact
from infra.hbase.service import Service
from infra.settings import Settings
from infra.tables.hive import read_files
from pipelines import outcome
from pipelines.outcome import Outcome
from pipelines.pictures.detection.detect import result
from pipelines.pictures.pictures import Pictures
from pipelines.pictures.stages import pictures
from pipelines.publish import Published
from pipelines.runner.perform import write
from pipelines.runner.run import Run
from pipelines.section import Grid
from tests.pipelines.pictures.conftest import DS, NAMES, NEXT, Day

PARAMS = {"epochs": 1, "batch": 8, "workers": 2, "seed": 7, "shown": 3, "int8_bound": 1.0}


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Runs steps of an application as the command line does: each with the outcomes that its stage declares."""

    spark: SparkSession
    app: Pictures
    settings: Settings

    def do(self, run_id: str, step: str, ds: str, **given: Any) -> Outcome:
        stage = pictures(self.app)[step]
        params = {**PARAMS, "first_date": None, "last_date": None, **given}
        run = Run(app=self.app.name, id=run_id, ds=ds, member=0, params=params, settings=self.settings)
        run = replace(run, reads=frozenset((*stage.reads, *stage.may_read)))
        left = stage.build(run).run(self.spark)
        write(outcome.file(run.folder, stage.instance(step, run)), left.to_json())
        return left


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
    return Bench(spark=spark, app=replace(CELLS, name=database, regions=2), settings=settings)


def test_a_training_makes_a_champion_that_finds_objects_in_later_days(bench: Bench) -> None:
    for step in ("load", "prepare", "detect"):
        told = bench.do("daily-1", step, DS)
    assert "no model is champion yet" in told.summary

    dates = {"first_date": DS, "last_date": DS}
    for step in ("pin", "prepare", "train", "evaluate", "quantise", "publish"):
        told = bench.do("training-1", step, DS, **dates)
    published = told.left(Published)
    assert published.moved and published.champion == published.version
    candidate = Artifact.load(str(bench.settings.run_folder(bench.app.name, "training-1") / "quantised"))
    assert candidate.details["pictures"] == {"train": 12, "val": 4, "test": 6}
    assert candidate.details["precision"] == "int8" and "ir/int8.xml" in candidate.files
    assert {*candidate.details["thresholds"]} == {*bench.app.rules().classes}

    for step in ("load", "prepare", "detect"):
        told = bench.do("daily-2", step, NEXT)
    assert told.rows and (told.rows.taken, told.rows.given) == (3, 3)
    objects = read_files(bench.spark, told.partitions[:1])
    assert {row["model_version"] for row in objects.select("model_version").distinct().collect()} <= {candidate.id}
    (grid,) = [part for part in told.sections[0].parts if isinstance(part, Grid)]
    assert len(grid.tiles) == 3
    assert found_in_hbase(bench, candidate.id) == {
        row["key"]: row["count"] for row in objects.groupBy("key").count().collect()
    }


def found_in_hbase(bench: Bench, version: str) -> dict[str, int]:
    """How many objects HBase has for each picture of the later day in which there are some."""
    steps = pictures(bench.app)
    run = Run(app=bench.app.name, id="x", ds=NEXT, member=0, params=PARAMS, settings=bench.settings)
    store = steps["load"].build(run).storing.store  # type: ignore[attr-defined]
    cell = f"results:{result(version, 'found')}"
    schema = StructType([StructField("key", StringType()), StructField(cell, StringType())])
    rows = replace(store.rows, schema=schema).mapped(bench.spark, lambda batches: batches, schema).collect()
    told = {row["key"]: json.loads(row[cell]) for row in rows if row[cell] is not None}
    assert len(told) == 3  # a picture without objects says so too
    return {key: len(found) for key, found in told.items() if found}
