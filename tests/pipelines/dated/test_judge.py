"""Rows are judged before anybody sees them: good ones are committed, bad ones leave a sentence, a count and three keys."""

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
    schema,
    some_rows,
    unique,
)
from infra.tables import hadoop
from infra.tables.fence import Superseded
from infra.tables.hive import Draft, Table
from pipelines.dated.judge import GateFailed, Judge, drafting, settled
from pipelines.outcome import Outcome
from pipelines.section import Listing, Pairs

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
GOOD = (
    *schema(SCHEMA),
    some_rows(),
    unique(KEY),
    not_null("amount"),
    between("amount", 0, 1000),
    one_of("fraud", [0, 1]),
    mean_between("fraud", 0.001, 0.05),
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


def judge(rules: Sequence[Expectation] = GOOD, **more: object) -> Judge:
    return Judge(expectations=rules, key=KEY, **more)  # type: ignore[arg-type]


def write(df: DataFrame, table: Table, by: Judge) -> Outcome:
    """What a step does with its rows."""
    with drafting() as drafts:
        drafts.append(draft := table.stage(df.sparkSession, df, ds=DS, run="r"))
        judgement = by.draft(draft)
    return settled(Outcome(summary="written"), drafts, [judgement])


def test_good_rows_are_committed_and_every_rule_is_reported(spark: SparkSession, table: Table) -> None:
    outcome = write(rows(spark), table, judge())
    assert outcome.partitions == (table.current(spark, DS),)
    (section,) = outcome.sections
    (listing,) = section.parts
    assert isinstance(listing, Listing)
    assert [line.cells[0] for line in listing.lines] == [*[rule.sentence for rule in GOOD], "there must be 200 rows"]
    assert outcome.metrics == {"expectations": len(GOOD) + 1, "drifted": 0}


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
def test_bad_rows_are_named_by_rule_count_and_keys(spark: SparkSession, column: str, value: str, sentence: str) -> None:
    judgement = judge().judged(rows(spark).withColumn(column, F.expr(value)), count=200, subject="rows")
    assert judgement.failed.startswith("rows: ")
    assert sentence in judgement.failed
    assert "5195" not in judgement.failed


def test_missing_columns_are_named(spark: SparkSession) -> None:
    grown = schema(StructType([*SCHEMA, StructField("more", StringType())]))
    judgement = judge(grown).judged(rows(spark), count=200, subject="rows")
    assert "the columns must be source_file, source_line, amount, fraud, more: got" in judgement.failed


def test_bad_rows_are_never_seen_and_their_findings_stay(spark: SparkSession, table: Table) -> None:
    """Before the first good rows there is no partition at all; after them, the good ones stand."""
    bad = rows(spark).withColumn("amount", F.lit(-1.0))
    for standing in (None, write):
        before = standing(rows(spark), table, judge()).partitions if standing else None
        with pytest.raises(GateFailed, match=re.escape(f"{table} ds={DS}: amount must be between 0 and 1000")) as gate:
            write(bad, table, judge())
        assert table.dates(spark) == ([DS] if before else [])
        assert before is None or (table.current(spark, DS),) == before
        assert not list(Path(hadoop.local(table.folder(spark))).glob("ds=*/*-*/*.parquet")) or before
    outcome = gate.value.outcome
    assert outcome.failed == str(gate.value)
    assert outcome.partitions == ()
    (listing,) = outcome.sections[0].parts
    assert isinstance(listing, Listing)
    found = {line.cells[0]: line.cells[1:] for line in listing.lines}
    rows_broken, holds, keys = found["amount must be between 0 and 1000"]
    assert (rows_broken, holds, keys.count("a.csv:")) == ("200", "NO", 3)
    assert found["amount must not be null"] == ("0", "yes", "")


def test_rows_that_are_not_all_there_are_not_committed(spark: SparkSession, table: Table) -> None:
    with pytest.raises(GateFailed, match=r"there must be 200 rows: got \d+"), drafting() as drafts:
        drafts.append(draft := table.stage(spark, rows(spark).repartition(4), ds=DS, run="r"))
        next(Path(hadoop.local(draft.partition.location)).glob("*.parquet")).unlink()
        settled(Outcome(summary=""), drafts, [judge([some_rows()]).draft(draft)])
    assert table.dates(spark) == []


def test_a_draft_that_a_later_writer_removed_is_superseded(spark: SparkSession, table: Table) -> None:
    with pytest.raises(Superseded, match="run r was superseded by run second"), drafting() as drafts:
        drafts.append(draft := table.stage(spark, rows(spark), ds=DS, run="r"))
        table.stage(spark, rows(spark, 9), ds=DS, run="second").commit()
        judge().draft(draft)
    assert table.read(spark, [DS]).count() == 9


def test_what_fails_while_drafts_are_made_leaves_none(spark: SparkSession, table: Table) -> None:
    staged: list[Draft] = []
    with pytest.raises(ValueError, match="of another thing"), drafting() as drafts:
        drafts.append(table.stage(spark, rows(spark), ds=DS, run="r"))
        staged += drafts
        raise ValueError("of another thing")
    assert not hadoop.exists(spark, staged[0].partition.location)


def test_drift_warns_and_stops_only_if_told_to(spark: SparkSession, table: Table) -> None:
    known = profile(rows(spark), ["amount", "fraud"])
    shifted = rows(spark).withColumn("amount", F.col("amount") + 300)
    outcome = write(shifted, table, judge([some_rows()], profile=known))
    assert [warning.split(":")[0] for warning in outcome.warnings] == ["amount has drifted from the training profile"]
    assert outcome.metrics["drifted"] == 1
    _, drifted = outcome.sections[0].parts
    assert isinstance(drifted, Pairs)
    assert drifted.values["fraud"] == "0.000"
    with pytest.raises(GateFailed, match="amount has drifted from the training profile: stability index"):
        write(shifted, table, judge([some_rows()], profile=known, stop_on_drift=True))
