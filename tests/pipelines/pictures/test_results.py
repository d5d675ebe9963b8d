"""Results are judged before anybody can see them: what is refused is in no table and not in HBase, what is good is in both."""

from dataclasses import replace

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, StringType, StructField, StructType

from infra.expectations import between
from infra.tables.hive import Draft, Partition, Table
from pipelines.dated.judge import GateFailed, Judge
from pipelines.outcome import Outcome
from pipelines.pictures.results import Results
from pipelines.pictures.store import RESULTS, Store
from tests.pipelines.pictures.conftest import DS

CELLS = StructType([StructField("key", StringType()), StructField("score", StringType())])
SCORES = StructType([StructField("key", StringType()), StructField("score", DoubleType())])


@pytest.fixture
def results(store: Store, database: str) -> Results:
    table = Table(database=database, name="scores", schema=SCORES, version=1)
    judge = Judge(key=("key",), expectations=[between("score", 0, 1)])
    return Results(ds=DS, table=table, writer=store.results, judge=judge, run_id="run-1")


def put(results: Results, rows: DataFrame) -> Outcome:
    def cells(written: DataFrame) -> DataFrame:
        return written.select("key", F.col("score").cast("string").alias("score"))

    def outcome(draft: Draft) -> Outcome:
        return Outcome(summary=f"{draft.partition.rows} rows")

    made_of = Partition(table="pictures", ds=DS, location="", fingerprint="f", rows=2)
    return results.put(rows, made_of=made_of, cells=cells, outcome=outcome)


def in_hbase(spark: SparkSession, store: Store) -> dict[str, str]:
    rows = replace(store.rows, schema=CELLS, family=RESULTS).mapped(spark, lambda batches: batches, CELLS)
    return {row["key"]: row["score"] for row in rows.collect() if row["score"] is not None}


def test_what_is_refused_is_seen_nowhere_and_what_is_good_in_both(
    spark: SparkSession, store: Store, results: Results
) -> None:
    bad = spark.createDataFrame([("a", 0.5), ("b", 2.0)], SCORES)
    with pytest.raises(GateFailed, match="score"):
        put(results, bad)
    assert in_hbase(spark, store) == {} and results.table.dates(spark) == []

    told = put(results, bad.where("key = 'a'"))
    assert told.warnings == () and told.partitions[0].rows == 1
    assert in_hbase(spark, store) == {"a": "0.5"}
    assert results.table.inputs(spark, DS) == {f"pictures ds={DS}": "f"}
