"""A partition is replaced whole, at once, and only its own."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, LongType, StringType, StructField, StructType

from infra.tables import snapshots
from infra.tables.fence import Superseded
from infra.tables.hive import Draft, Partition, Table, read_files

DS = "2013-09-01"


@pytest.fixture
def table(database: str) -> Table:
    schema = StructType([StructField("id", LongType()), StructField("x", DoubleType())])
    return Table(database=database, name="rows", schema=schema, version=1)


def rows(spark: SparkSession, count: int = 100, factor: float = 1.5) -> DataFrame:
    return spark.range(count).withColumn("x", F.col("id") * factor)


def versions(partition: Partition) -> list[str]:
    folder = Path(partition.location.removeprefix("file:")).parent
    return sorted(path.name for path in folder.iterdir())


def test_replaced_partition_holds_the_new_rows_alone(spark: SparkSession, table: Table) -> None:
    table.stage(spark, rows(spark, 100), ds=DS, run="first").commit()
    written = table.stage(spark, rows(spark, 7), ds=DS, run="second").commit()
    assert written.rows == 7
    assert table.read(spark, [DS]).count() == 7
    assert spark.table(str(table)).where(F.col("ds") == DS).count() == 7
    assert table.current(spark, DS) == written


def test_other_partitions_stay_as_they_are(spark: SparkSession, table: Table) -> None:
    other = table.stage(spark, rows(spark), ds="2013-09-02", run="first").commit()
    table.stage(spark, rows(spark, 3), ds=DS, run="second").commit()
    assert table.current(spark, "2013-09-02") == other
    assert table.dates(spark) == [DS, "2013-09-02"]
    both = table.read(spark, table.dates(spark)).groupBy("ds").count().orderBy("ds").collect()
    assert [(row["ds"], row["count"]) for row in both] == [(DS, 3), ("2013-09-02", 100)]


def test_reader_of_the_old_version_goes_on(spark: SparkSession, table: Table) -> None:
    table.stage(spark, rows(spark, 100), ds=DS, run="first").commit()
    opened = table.read(spark, [DS])
    by_name = spark.table(str(table))
    by_name.count()
    table.stage(spark, rows(spark, 7), ds=DS, run="second").commit()
    assert opened.count() == 100


def test_only_the_version_before_is_kept(spark: SparkSession, table: Table) -> None:
    written = [table.stage(spark, rows(spark, count), ds=DS, run="r").commit() for count in (1, 2, 3)]
    assert versions(written[-1]) == sorted(pin.location.rpartition("/")[2] for pin in written[1:])


def test_fingerprint_is_of_the_set_of_rows_alone(spark: SparkSession, table: Table) -> None:
    prints = {
        table.stage(spark, df, ds=DS, run=run).commit().fingerprint
        for run, df in {
            "as it is": rows(spark),
            "one partition": rows(spark).coalesce(1),
            "many": rows(spark).repartition(7),
            "reversed": rows(spark).orderBy(F.col("id").desc()),
            "other column order": rows(spark).select("x", "id"),
        }.items()
    }
    assert len(prints) == 1


def test_fingerprint_tells_a_value_a_null_and_a_double_apart(spark: SparkSession, table: Table) -> None:
    variants = [
        rows(spark),
        rows(spark).withColumn("x", F.when(F.col("id") != 5, F.col("x"))),
        rows(spark).withColumn("x", F.when(F.col("id") == 5, 0.0).otherwise(F.col("x"))),
        rows(spark).unionByName(rows(spark, 1)).unionByName(rows(spark, 1)),
        spark.createDataFrame([(1, None)], "id bigint, x double"),
        spark.createDataFrame([(None, 1.0)], "id bigint, x double"),
    ]
    prints = [table.stage(spark, df, ds=DS, run="r").commit().fingerprint for df in variants]
    assert len(set(prints)) == len(variants)


def test_pin_reads_while_the_rows_are_the_same(spark: SparkSession, table: Table) -> None:
    pin = table.stage(spark, rows(spark), ds=DS, run="first").commit()
    for run in ("second", "third", "fourth"):
        table.stage(spark, rows(spark), ds=DS, run=run).commit()
    assert table.pinned(spark, pin).count() == 100
    assert read_files(spark, [pin]).count() == 100


def test_pin_of_other_rows_names_the_run_that_superseded_it(spark: SparkSession, table: Table) -> None:
    pin = table.stage(spark, rows(spark, 100), ds=DS, run="first").commit()
    table.stage(spark, rows(spark, 7), ds=DS, run="second").commit()
    with pytest.raises(Superseded, match=f"{table} ds={DS}.*superseded by run second"):
        table.pinned(spark, pin)
    assert read_files(spark, [pin]).count() == 100
    table.stage(spark, rows(spark, 8), ds=DS, run="third").commit()
    with pytest.raises(Superseded, match="gone, replaced by later runs"):
        read_files(spark, [pin])


def test_failed_write_leaves_the_partition_and_no_folder(spark: SparkSession, table: Table) -> None:
    before = table.stage(spark, rows(spark), ds=DS, run="first").commit()
    broken = rows(spark).withColumn(
        "x", F.when(F.col("id") == 50, F.raise_error(F.lit("broken"))).otherwise(F.col("x"))
    )
    with pytest.raises((PySparkException, Py4JJavaError), match="broken"):
        table.stage(spark, broken, ds=DS, run="second").commit()
    assert table.current(spark, DS) == before
    assert versions(before) == [before.location.rpartition("/")[2]]


def test_rows_that_do_not_fit_are_refused_with_the_difference(spark: SparkSession, table: Table) -> None:
    with pytest.raises(ValueError, match=re.escape("missing ['x double'], not in the schema ['x string']")):
        table.stage(spark, rows(spark).withColumn("x", F.lit("a")), ds=DS, run="r").commit()


def test_appended_columns_migrate_and_old_rows_have_nulls(spark: SparkSession, table: Table) -> None:
    table.stage(spark, rows(spark), ds=DS, run="old").commit()
    grown = replace(table, schema=StructType([*table.schema, StructField("y", StringType())]), version=2)
    grown.stage(spark, rows(spark, 3).withColumn("y", F.lit("new")), ds="2013-09-02", run="new").commit()
    found = grown.read(spark, grown.dates(spark)).groupBy("ds", "y").count().orderBy("ds").collect()
    assert [(row["ds"], row["y"], row["count"]) for row in found] == [(DS, None, 100), ("2013-09-02", "new", 3)]
    assert grown.read(spark, [DS]).columns == spark.table(str(grown)).columns
    with pytest.raises(ValueError, match="has schema version 2, this program has version 1"):
        table.stage(spark, rows(spark), ds=DS, run="old program").commit()


@pytest.mark.parametrize("version", [1, 2])
def test_other_changes_of_schema_are_refused(spark: SparkSession, table: Table, version: int) -> None:
    table.stage(spark, rows(spark), ds=DS, run="r").commit()
    changed = replace(
        table, schema=StructType([StructField("id", LongType()), StructField("x", StringType())]), version=version
    )
    with pytest.raises(ValueError, match="a schema may only grow at its end, under a higher version"):
        changed.create(spark)


def test_missing_partition_says_what_to_do(spark: SparkSession, table: Table) -> None:
    table.create(spark)
    with pytest.raises(LookupError, match=r"has no partition ds=2013-09-01; run the step that writes it first"):
        table.current(spark, DS)


def test_ds_must_be_a_date(spark: SparkSession, table: Table) -> None:
    with pytest.raises(ValueError, match="ds must be a date YYYY-MM-DD, got '2013-9-1'"):
        table.stage(spark, rows(spark), ds="2013-9-1", run="r").commit()


def killed_before_the_move(draft: Draft) -> None:
    """What a writer has done that is killed when it has committed and the metastore does not know."""
    snapshots.seal(draft.pointer.spark, draft.partition.location, draft.snapshot)
    draft.pointer.fence.commit(draft.claim, draft.partition.location.rpartition("/")[2])


def test_a_draft_is_seen_by_nobody_until_it_is_committed(spark: SparkSession, table: Table) -> None:
    draft = table.stage(spark, rows(spark, 5), ds=DS, run="first")
    assert table.dates(spark) == [] and spark.table(str(table)).count() == 0
    with pytest.raises(LookupError, match="has no partition"):
        table.current(spark, DS)
    with pytest.raises(Superseded, match="is gone"):
        read_files(spark, [draft.partition])
    assert draft.rows(spark).count() == 5
    assert draft.commit() == table.current(spark, DS)
    table.stage(spark, rows(spark, 9), ds=DS, run="second").discard("for a test")
    assert table.read(spark, [DS]).count() == spark.table(str(table)).count() == 5
    assert versions(draft.partition) == [draft.partition.location.rpartition("/")[2]]


def test_a_kill_between_commit_and_move_is_repaired_by_the_next_reader(spark: SparkSession, table: Table) -> None:
    for count in (5, 9):  # of a partition that the metastore does not know, and of one that it knows at another place
        draft = table.stage(spark, rows(spark, count), ds=DS, run="killed")
        killed_before_the_move(draft)
        assert spark.table(str(table)).count() != count
        assert table.dates(spark) == [DS]
        assert table.current(spark, DS) == draft.partition
        assert spark.table(str(table)).count() == table.read(spark, [DS]).count() == count


def test_what_the_metastore_names_is_never_removed(spark: SparkSession, table: Table) -> None:
    named = table.stage(spark, rows(spark, 5), ds=DS, run="first").commit()
    for count in (6, 7, 8):
        draft = table.stage(spark, rows(spark, count), ds=DS, run="killed")
        killed_before_the_move(draft)
        draft.pointer.sweep(draft.claim)
    assert spark.table(str(table)).count() == 5 and Path(named.location.removeprefix("file:")).exists()
    table.stage(spark, rows(spark, 3), ds=DS, run="whole").commit()
    assert spark.table(str(table)).count() == 3


def test_a_snapshot_knows_what_it_was_made_from(spark: SparkSession, table: Table) -> None:
    table.stage(spark, rows(spark), ds=DS, run="r", inputs={"other ds=2013-08-31": "f"}).commit()
    assert table.inputs(spark, DS) == {"other ds=2013-08-31": "f"}
