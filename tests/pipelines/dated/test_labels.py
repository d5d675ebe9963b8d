"""Labels that come later than rows are asked for by nobody but a training."""

import pytest
from pyspark.sql import SparkSession
from pyspark.sql.types import IntegerType, LongType, StringType, StructField, StructType

from infra.tables.hive import Table
from pipelines.dated.labels import Labels, PinnedLabels

DS = "2013-09-01"


@pytest.fixture
def labels(database: str) -> Labels:
    key = [StructField("file", StringType()), StructField("line", LongType())]
    table = Table(
        database=database, name="labels", schema=StructType([*key, StructField("fraud", IntegerType())]), version=1
    )
    return Labels(table=table, label="fraud", on={"source_file": "file", "source_line": "line"})


def test_rows_get_the_label_of_their_date_and_key(spark: SparkSession, labels: Labels) -> None:
    rows = spark.createDataFrame(
        [("a", 1, DS), ("a", 2, DS), ("a", 1, "2013-09-02")], "source_file string, source_line bigint, ds string"
    )
    with pytest.raises(LookupError, match=f"{labels.table} has no labels of {DS}; ingest these dates' labels"):
        labels.pinned(spark, (DS,))
    known = spark.createDataFrame([("a", 1, 1), ("a", 9, 0)], "file string, line bigint, fraud int")
    labels.table.stage(spark, known, ds=DS, run="r").commit()
    pinned = PinnedLabels(labels=labels, pin=labels.pinned(spark, (DS,)))
    found = pinned.joined(spark, rows).select("source_file", "source_line", "ds", "fraud").collect()
    assert {tuple(row) for row in found} == {("a", 1, DS, 1), ("a", 2, DS, None), ("a", 1, "2013-09-02", None)}


def test_labels_must_be_columns_of_their_table(labels: Labels) -> None:
    with pytest.raises(ValueError, match=r"must have the columns of Labels, missing \['chargeback'\]"):
        Labels(table=labels.table, label="chargeback", on=labels.on)
