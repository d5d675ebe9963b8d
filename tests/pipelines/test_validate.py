"""A gate lets good rows through, and stops at bad ones with a sentence, a count and three keys."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, IntegerType, LongType, StringType, StructField, StructType

from features.drift import profile
from infra.expectations import (
    Expectation,
    between,
    mean_between,
    not_null,
    one_of,
    row_count,
    schema,
    some_rows,
    unique,
)
from infra.tables import hadoop
from infra.tables.fence import Superseded
from infra.tables.hive import Partition, Table
from pipelines.outcome import Outcome, Rows
from pipelines.section import Listing, Pairs
from pipelines.validate import Gate, GateFailed

DS = "2013-09-01"
KEY = ("source_file", "source_line")
SCHEMA = StructType(
    [
        StructField("source_file", StringType()),
        StructField("source_line", LongType()),
        StructField("amount", DoubleType()),
        StructField("fraud", IntegerType()),
    ]
)


@pytest.fixture
def table(database: str) -> Table:
    return Table(database=database, name="rows", schema=SCHEMA, version=1)


def rows(spark: SparkSession, count: int = 200) -> DataFrame:
    """Lines 2, 3, 4... with amounts 0.0, 1.0, 2.0... and one fraud in fifty."""
    return spark.range(count).select(
        F.lit("a.csv").alias("source_file"),
        (F.col("id") + 2).alias("source_line"),
        F.col("id").cast("double").alias("amount"),
        (F.col("id") % 50 == 0).cast("int").alias("fraud"),
    )


def gate(table: Table, pin: Partition, rules: Sequence[Expectation], **more: object) -> Gate:
    return Gate(table=table, inputs=(pin,), expectations=rules, key=KEY, **more)  # type: ignore[arg-type]


def good(count: int = 200) -> list[Expectation]:
    return [
        *schema(SCHEMA),
        some_rows(),
        row_count(count),
        unique(KEY),
        not_null("amount"),
        between("amount", 0, 1000),
        one_of("fraud", [0, 1]),
        mean_between("fraud", 0.001, 0.05),
    ]


def listing(outcome: Outcome) -> Listing:
    found = outcome.sections[0].parts[0]
    assert isinstance(found, Listing)
    return found


def test_good_rows_pass_and_every_rule_is_reported(spark: SparkSession, table: Table) -> None:
    pin = table.replace(spark, rows(spark), ds=DS, run="r")
    outcome = gate(table, pin, good()).run(spark)
    assert outcome.summary == f"{table} ds={DS}: {len(good())} expectations hold on 200 rows"
    assert outcome.rows == Rows(taken=200, given=200)
    assert outcome.partitions == (pin,)
    assert [line.cells[0] for line in listing(outcome).lines] == [rule.sentence for rule in good()]


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        (
            "amount",
            "IF(source_line > 196, amount + 5000, amount)",
            "amount must be between 0 and 1000: 5 rows break it, the first are a.csv:197, a.csv:198, a.csv:199",
        ),
        (
            "amount",
            "IF(source_line <> 7, amount, NULL)",
            "amount must not be null: 1 rows break it, the first are a.csv:7",
        ),
        ("amount", "IF(source_line = 9, double('NaN'), amount)", "and 1000: 1 rows break it, the first are a.csv:9"),
        ("fraud", "1", "the mean of fraud must be between 0.001 and 0.05: got 1.0"),
        (
            "fraud",
            "IF(source_line = 3, 2, fraud)",
            "fraud must be one of [0, 1]: 1 rows break it, the first are a.csv:3",
        ),
        (
            "source_line",
            "GREATEST(source_line, 3)",
            "source_file and source_line together must be unique: 2 rows break it, the first are a.csv:3, a.csv:3",
        ),
    ],
)
def test_bad_rows_stop_the_gate(spark: SparkSession, table: Table, column: str, value: str, sentence: str) -> None:
    pin = table.replace(spark, rows(spark).withColumn(column, F.expr(value)), ds=DS, run="r")
    with pytest.raises(GateFailed, match=re.escape(sentence)) as failed:
        gate(table, pin, good()).run(spark)
    assert str(failed.value).startswith(f"{table} ds={DS}: ")
    assert "5195" not in str(failed.value)


def test_missing_rows_and_missing_columns_stop_the_gate(spark: SparkSession, table: Table) -> None:
    pin = table.replace(spark, rows(spark), ds=DS, run="r")
    with pytest.raises(GateFailed, match="there must be 201 rows: got 200"):
        gate(table, pin, good(201)).run(spark)
    grown = schema(StructType([*SCHEMA, StructField("more", StringType())]))
    with pytest.raises(GateFailed, match="the columns must be source_file, source_line, amount, fraud, more: got"):
        gate(table, pin, grown).run(spark)


def test_rows_that_are_not_all_there_stop_the_gate(spark: SparkSession, table: Table) -> None:
    pin = table.replace(spark, rows(spark).repartition(4), ds=DS, run="r")
    next(Path(hadoop.local(pin.location)).glob("*.parquet")).unlink()
    with pytest.raises(ValueError, match=r"rows in must equal rows out.*got 200 rows in, \d+ out"):
        gate(table, pin, [some_rows()]).run(spark)


def test_superseded_rows_are_not_judged(spark: SparkSession, table: Table) -> None:
    pin = table.replace(spark, rows(spark), ds=DS, run="first")
    table.replace(spark, rows(spark, 9), ds=DS, run="second")
    with pytest.raises(Superseded, match="superseded by run second"):
        gate(table, pin, good()).run(spark)


def test_drift_warns_and_stops_only_if_told_to(spark: SparkSession, table: Table) -> None:
    known = profile(rows(spark), ["amount", "fraud"])
    shifted = rows(spark).withColumn("amount", F.col("amount") + 300)
    pin = table.replace(spark, shifted, ds=DS, run="r")
    outcome = gate(table, pin, [some_rows()], profile=known).run(spark)
    assert [warning.split(":")[0] for warning in outcome.warnings] == ["amount has drifted from the training profile"]
    assert outcome.metrics["drifted"] == 1
    pairs = outcome.sections[0].parts[1]
    assert isinstance(pairs, Pairs) and pairs.values["fraud"] == "0.000"
    with pytest.raises(GateFailed, match="amount has drifted from the training profile: stability index"):
        gate(table, pin, [some_rows()], profile=known, stop_on_drift=True).run(spark)
