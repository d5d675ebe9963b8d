"""Every delivered picture is in HBase and the catalogue, or in quarantine with its reason; what a day no longer has is gone."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from pyspark.sql import SparkSession

from apps.images import data
from infra.expectations import between
from pipelines.dated.judge import GateFailed
from pipelines.dated.source import BadDelivery
from pipelines.outcome import Rows
from pipelines.pictures.catalogue import Tables
from pipelines.pictures.intake.load import Load
from pipelines.pictures.store import Store
from pipelines.section import Grid
from tests.pipelines.pictures.conftest import DS, NAMES, NEXT, SAMPLE, Day

Loading = Callable[[Day], Load]
Keys = Callable[[str], list[str]]


def reasons(spark: SparkSession, tables: Tables, ds: str) -> dict[str, str]:
    return {row["name"]: row["reason"] for row in tables.quarantine.read(spark, [ds]).collect()}


def test_sixty_damaged_pictures_are_each_accounted_for(
    spark: SparkSession, day: Day, load: Loading, tables: Tables, keys: Keys
) -> None:
    day.deliver(*NAMES[:12])
    for name, picture in data.damaged(data.pictures(SAMPLE)[:12], 60, 5):
        day.picture(name).write_bytes(picture)
    outcome = load(day).run(spark)
    rows = tables.catalogue.read(spark, [DS]).collect()
    found = reasons(spark, tables, DS)
    assert outcome.rows == Rows(taken=72, given=len(rows), quarantined=len(found))
    delivered = {file.name for file in data.pictures(day.folder)}
    assert {row["name"] for row in rows} | found.keys() == delivered and len(rows) + len(found) == 72
    assert {f"{name}.jpg" for name in NAMES[:12]} <= {row["name"] for row in rows}
    rules = Counter(reason.partition(":")[0] for reason in found.values())
    assert {"truncated", "type", "corrupt"} <= rules.keys() and rules.total() > 48
    assert keys(DS) == sorted(row["key"] for row in rows)
    assert any(isinstance(part, Grid) and part.tiles for section in outcome.sections for part in section.parts)


def test_the_catalogue_has_what_is_known_of_each_picture(
    spark: SparkSession, day: Day, load: Loading, tables: Tables
) -> None:
    day.deliver("BloodImage_00338", split="val")  # which has a box without an area
    day.deliver(NAMES[0], annotated=False)
    load(day).run(spark)
    bare, known = tables.catalogue.read(spark, [DS]).orderBy("name").collect()
    assert (bare["annotated"], bare["split"], bare["objects"], bare["boxes"]) == (False, None, 0, [])
    assert (known["width"], known["height"], known["split"], known["dropped"]) == (640, 480, "val", 1)
    assert known["objects"] == len(known["boxes"]) == sum(one["objects"] for one in known["counts"])
    assert known["source"] == f"images/ds={DS}/JPEGImages/BloodImage_00338.jpg"
    assert known["key"].startswith(f"{DS}|BloodImage_00338.jpg|")


def test_what_has_no_picture_and_names_that_are_taken_are_counted_too(
    spark: SparkSession, day: Day, load: Loading, tables: Tables
) -> None:
    day.deliver(*NAMES[:3])
    day.picture(f"{NAMES[0]}.jpg").unlink()
    for name in (f"{NAMES[1]}.jpg", f"{NAMES[1]}.xml"):
        again = day.folder / "again" / name
        again.parent.mkdir(exist_ok=True)
        again.write_bytes(next(day.folder.glob(f"*/{name}")).read_bytes())
    with (day.folder / "ImageSets" / "Main" / "val.txt").open("w") as lines:
        lines.write("nothing  1\n")
    outcome = load(day).run(spark)
    assert outcome.rows == Rows(taken=6, given=2, quarantined=4)
    found = tables.quarantine.read(spark, [DS]).collect()
    assert Counter((row["name"], row["rule"]) for row in found) == {
        (f"{NAMES[0]}.xml", "no picture"): 1,
        (f"{NAMES[1]}.jpg", "name"): 1,
        (f"{NAMES[1]}.xml", "name"): 1,
        ("nothing", "no picture"): 1,
    }


def test_a_picture_whose_name_has_blanks_is_in_the_split_that_lists_it(
    spark: SparkSession, day: Day, load: Loading, tables: Tables
) -> None:
    day.deliver(*NAMES[:2])
    named, annotation = "a cell (1)", day.annotation(NAMES[0])
    day.picture(f"{NAMES[0]}.jpg").rename(day.picture(f"{named}.jpg"))
    day.annotation(named).write_text(annotation.read_text().replace(NAMES[0], named))
    annotation.unlink()
    (day.folder / "ImageSets" / "Main" / "train.txt").write_text(f"{named}\r\n{NAMES[1]}  1\r\n")
    assert load(day).run(spark).rows == Rows(taken=2, given=2)
    assert {row["name"]: row["split"] for row in tables.catalogue.read(spark, [DS]).collect()} == {
        f"{named}.jpg": "train",
        f"{NAMES[1]}.jpg": "train",
    }


def test_a_day_delivered_again_has_its_new_pictures_and_no_old_ones(
    spark: SparkSession, day: Day, load: Loading, tables: Tables, keys: Keys
) -> None:
    day.deliver(*NAMES[:4])
    load(day).run(spark)
    before = keys(DS)
    assert load(day).run(spark).metrics.items() >= {"again": 4, "replaced": 0, "gone": 0, "removed": 0}.items()
    assert keys(DS) == before
    day.picture(f"{NAMES[0]}.jpg").unlink()
    day.annotation(NAMES[0]).unlink()
    (day.folder / "ImageSets" / "Main" / "train.txt").write_text("\n".join(NAMES[1:4]))
    corrected = day.annotation(NAMES[1]).read_text()
    day.annotation(NAMES[1]).write_text(corrected.replace("<difficult>0", "<difficult>1", 1))
    outcome = load(day).run(spark)
    assert outcome.metrics.items() >= {"again": 2, "replaced": 1, "gone": 1, "removed": 2}.items()
    rows = tables.catalogue.read(spark, [DS]).collect()
    assert keys(DS) == sorted(row["key"] for row in rows) and len(set(before) & set(keys(DS))) == 2


def test_a_picture_of_the_same_bytes_is_let_in_once_the_day_before_first(
    spark: SparkSession, day: Day, next_day: Day, load: Loading, tables: Tables, keys: Keys
) -> None:
    next_day.deliver(*NAMES[:2], split="test")
    load(next_day).run(spark)
    day.deliver(NAMES[0])
    day.picture("twin.jpg").write_bytes(day.picture(f"{NAMES[0]}.jpg").read_bytes())
    late = load(day).run(spark)
    assert f"1 pictures of ds={NEXT} are of this day; load {NEXT} again" in late.warnings
    assert reasons(spark, tables, DS) == {
        "twin.jpg": f"duplicate: a picture must be new, this has the bytes of {NAMES[0]}.jpg"
    }
    assert load(next_day).run(spark).rows == Rows(taken=2, given=1, quarantined=1)
    (why,) = reasons(spark, tables, NEXT).values()
    assert why.startswith(f"duplicate: a picture must be new, this has the bytes of {DS}|{NAMES[0]}.jpg|")
    assert [len(keys(ds)) for ds in (DS, NEXT)] == [1, 1]


def test_pictures_that_fail_as_a_whole_leave_what_stood_and_nothing_in_hbase(
    spark: SparkSession, day: Day, load: Loading, tables: Tables, keys: Keys
) -> None:
    day.deliver(*NAMES[:4])
    load(day).run(spark)
    before = keys(DS)
    day.deliver(NAMES[4])
    strict = replace(load(day), judge=replace(load(day).judge, expectations=[between("objects", 0, 1)]))
    with pytest.raises(GateFailed, match="objects must be between 0 and 1") as failed:
        strict.run(spark)
    assert failed.value.outcome.sections and keys(DS) == before
    for name in NAMES[:4]:
        day.picture(f"{name}.jpg").write_bytes(b"GIF89a")
    with pytest.raises(GateFailed, match="there must be at least 2 rows to replace the 4 that stand"):
        load(day).run(spark)
    assert keys(DS) == before == sorted(row["key"] for row in tables.catalogue.read(spark, [DS]).collect())


def test_a_day_of_which_nothing_has_landed_is_refused(spark: SparkSession, day: Day, load: Loading) -> None:
    with pytest.raises(BadDelivery, match=r"nothing has landed in .*; deliver pictures there"):
        load(day).run(spark)


def test_a_table_that_is_not_there_is_named(spark: SparkSession, day: Day, load: Loading, store: Store) -> None:
    day.deliver(NAMES[0])
    elsewhere = replace(load(day), storing=replace(load(day).storing, store=replace(store, table="nowhere")))
    with pytest.raises(LookupError, match="HBase has no table 'nowhere'"):
        elsewhere.run(spark)
