"""A split by time is exact, breaks ties by key, and fits nothing on rows after its training rows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from features.drift import profile
from infra.tables import snapshots
from infra.tables.hive import Partition
from pipelines.binary.frames.boundary import boundary
from pipelines.binary.frames.edges import edges_of
from pipelines.binary.frames.split import Frames, Split
from pipelines.dated.pin import FilesPin, TablePin
from pipelines.outcome import Rows
from tests.pipelines import frames


def pinned(spark: SparkSession, folder: Path, rows: pd.DataFrame) -> Partition:
    """The rows as one version of a partition, in several files and no order."""
    location = f"{folder}/ds=2013-09-01/00000001-a"
    frame = spark.createDataFrame(rows.sample(frac=1, random_state=3)).repartition(5)
    written = snapshots.write(frame, location, run="a run", schema_version=1)
    snapshots.seal(spark, location, written)
    return Partition(
        table="fraud.features", ds="2013-09-01", location=location, fingerprint=written.fingerprint, rows=written.rows
    )


def step(partition: Partition, into: Path) -> Split:
    return Split(
        rows=TablePin(partitions=(partition,)), features=frames.FEATURES, into=into, roles=frames.ROLES, profile=profile
    )


def keys(folder: Path) -> list[int]:
    return sorted(pd.read_parquet(folder)["source_line"].tolist())


def test_rows_are_cut_exactly_by_time_and_key(spark: SparkSession, tmp_path: Path) -> None:
    rows = frames.rows(2000)
    found = step(pinned(spark, tmp_path, rows), tmp_path / "frame").run(spark)
    ordered = rows.sort_values(["time_s", "source_file", "source_line"])["source_line"].tolist()
    parts = {"train": ordered[:1200], "validation": ordered[1200:1400], "test": ordered[1400:]}
    assert {part: keys(tmp_path / "frame" / part) for part in parts} == {
        part: sorted(kept) for part, kept in parts.items()
    }
    assert found.rows == Rows(taken=2000, given=2000)
    left = found.left(Frames)
    assert left.rows("train", "test") == 1800 and left.parts["train"].last_s <= left.parts["validation"].first_s
    assert sum(found.metrics[f"{part}_positives"] for part in parts) == rows["fraud"].sum()


def test_models_are_judged_on_a_sample_of_more_rows_than_may_be(spark: SparkSession, tmp_path: Path) -> None:
    """It is of the ranges that a split without it has, and the same however the rows lie."""
    rows = frames.rows(3000)
    whole = step(pinned(spark, tmp_path, rows), tmp_path / "whole")
    sampled = replace(whole, into=tmp_path / "sampled", judged_rows=400)
    one, two = (each.run(spark) for each in (whole, sampled))
    of, found = one.left(Frames), two.left(Frames)
    assert found.parts["validation"] == of.parts["validation"] and found.parts["train"] == of.parts["train"]
    test = found.parts["test"]
    assert 300 < test.rows < 500 and test.rows + test.left_out == of.rows("test") == 900
    assert set(keys(found.path("test"))) < set(keys(of.path("test")))
    assert two.rows == Rows(taken=3000, given=2100 + test.rows, left_out=test.left_out)
    assert (
        f"test 900 rows, {test.rows} of them drawn by a hash of their key, with {test.positives} positives"
        in two.summary
    )
    again = replace(
        sampled, rows=TablePin(partitions=(pinned(spark, tmp_path / "again", rows.iloc[::-1]),)), into=tmp_path / "b"
    )
    assert keys(again.run(spark).left(Frames).path("test")) == keys(found.path("test"))


def test_a_folder_of_files_is_split_as_a_partition_is(spark: SparkSession, tmp_path: Path) -> None:
    rows = frames.rows(400, frauds=40)
    partition = pinned(spark, tmp_path, rows)
    spark.createDataFrame(rows).repartition(3).write.parquet(str(tmp_path / "files"))
    of_table = step(partition, tmp_path / "one")
    of_files = replace(of_table, rows=FilesPin.of(spark, str(tmp_path / "files")), into=tmp_path / "two")
    one, two = (each.run(spark).left(Frames) for each in (of_table, of_files))
    assert (one.parts, one.statistics, one.profile) == (two.parts, two.statistics, two.profile)
    assert {part: keys(one.path(part)) for part in one.parts} == {part: keys(two.path(part)) for part in two.parts}


def test_rows_that_are_not_all_there_are_refused(spark: SparkSession, tmp_path: Path) -> None:
    partition = pinned(spark, tmp_path, frames.rows(2000))
    next(Path(partition.location).glob("*.parquet")).unlink()
    with pytest.raises(ValueError, match="rows in must equal rows out"):
        step(partition, tmp_path / "frame").run(spark)


def test_ties_in_one_second_are_broken_by_key(spark: SparkSession, tmp_path: Path) -> None:
    rows = frames.rows(400, frauds=40).assign(time_s=7)
    step(pinned(spark, tmp_path, rows), tmp_path / "frame").run(spark)
    assert keys(tmp_path / "frame" / "train") == list(range(2, 242))


def test_statistics_and_profile_are_of_training_rows_alone(spark: SparkSession, tmp_path: Path) -> None:
    rows = frames.rows(2000)
    later = rows["time_s"] >= rows["time_s"].sort_values().iloc[1200]
    changed = rows.assign(a=np.where(later, 1e6, rows["a"]))
    one, two = (
        replace(step(pinned(spark, tmp_path / name, each), tmp_path / name / "frame"), bins=4).run(spark).left(Frames)
        for name, each in (("one", rows), ("two", changed))
    )
    assert (one.statistics, one.profile) == (two.statistics, two.profile)
    written = pd.read_parquet(one.path("train"))
    train = written[list(frames.FEATURES)]
    assert one.statistics.edges == edges_of(train.to_numpy(), written["fraud"].to_numpy(), bins=4)
    assert one.statistics.mean == pytest.approx(train.mean().tolist(), abs=1e-9)
    assert one.statistics.std == pytest.approx(train.std(ddof=0).tolist(), abs=1e-9)
    assert set(one.profile) == set(frames.FEATURES)


@pytest.mark.parametrize("kind", ["timestamp", "date"])
def test_a_time_may_be_a_timestamp_or_a_date(spark: SparkSession, tmp_path: Path, kind: str) -> None:
    rows = frames.rows(400, frauds=40)
    days = pd.to_datetime(rows["time_s"] * 8640, unit="s", utc=True)
    location = pinned(spark, tmp_path, rows.assign(time_s=days if kind == "timestamp" else days.dt.date))
    left = step(location, tmp_path / "frame").run(spark).left(Frames)
    assert left.rows("train") == 240
    assert left.parts["train"].last_s == pytest.approx(float(rows["time_s"].iloc[239] * 8640), abs=86_400)


def test_a_boundary_is_where_sorting_would_put_it(spark: SparkSession) -> None:
    rows = frames.rows(500).assign(time_s=lambda each: each["time_s"] * 37)
    ordered = rows.sort_values(["time_s", "source_line"])[["time_s", "source_line"]].to_numpy().tolist()
    frame = spark.createDataFrame(rows)
    for position in (0, 1, 250, 499):
        assert list(boundary(frame, ("time_s", "source_line"), position)) == ordered[position]


@pytest.mark.parametrize(("part", "fraud_lines"), [("train", slice(1500, None)), ("validation", slice(0, 100))])
def test_a_part_without_frauds_is_refused(spark: SparkSession, tmp_path: Path, part: str, fraud_lines: slice) -> None:
    fraud = np.zeros(2000, dtype=np.int32)
    fraud[fraud_lines] = 1
    rows = frames.rows(2000).assign(fraud=fraud)
    with pytest.raises(ValueError, match=f"the {part} range must hold at least one positive .fraud = 1., got none in"):
        step(pinned(spark, tmp_path, rows), tmp_path / "frame").run(spark)


def test_too_few_rows_are_refused(spark: SparkSession, tmp_path: Path) -> None:
    rows = frames.rows(300, frauds=30)[:2]
    with pytest.raises(ValueError, match="needs a row for each part, got 2 rows"):
        step(pinned(spark, tmp_path, rows), tmp_path / "frame").run(spark)


@pytest.mark.parametrize("shares", [(0.0, 0.1), (0.6, 0.4), (0.9, 0.2)])
def test_shares_must_leave_rows_for_each_part(tmp_path: Path, shares: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="must be above 0 and leave rows to test on"):
        rows = FilesPin(folder=str(tmp_path), fingerprint="f", rows=10)
        Split(rows=rows, features=("a",), into=tmp_path, roles=frames.ROLES, shares=shares)
