"""Every line that landed is either in the table or in quarantine with its reason, and none is lost."""

import logging
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from apps.fraud import columns
from infra.expectations import some_rows, unique
from infra.tables.hive import Table
from pipelines.dated.ingest import Ingest
from pipelines.dated.judge import GateFailed, Judge
from pipelines.dated.landing import Landing
from pipelines.dated.source import BadDelivery, HiveSource
from pipelines.outcome import Outcome, Rows

DS = "2013-09-01"
NAME = f"fraud/ds={DS}/transactions.csv"


@pytest.fixture
def ingest(landing: Path, transactions: Table, quarantine: Table) -> Ingest:
    return Ingest(
        source=Landing(root=str(landing), folder=f"fraud/ds={DS}"),
        header=columns.HEADER,
        rules=columns.rules(DS),
        table=transactions,
        quarantine=quarantine,
        judge=Judge(expectations=[some_rows(), unique(columns.KEY)], key=columns.KEY),
        ds=DS,
        run_id="run-1",
    )


@pytest.fixture
def lines(landing: Path) -> list[str]:
    return (landing / NAME).read_text().splitlines()


def refused(spark: SparkSession, outcome: Outcome, quarantine: Table) -> list[Row]:
    assert outcome.rows is not None
    rows = quarantine.read(spark, [DS]).orderBy("source_file", "source_line").collect()
    assert len(rows) == outcome.rows.quarantined
    return rows


def test_every_value_of_every_line_arrives(
    spark: SparkSession, ingest: Ingest, lines: list[str], transactions: Table
) -> None:
    outcome = ingest.run(spark)
    assert outcome.rows == Rows(taken=len(lines) - 1, given=len(lines) - 1)
    rows = {row["source_line"]: row for row in transactions.read(spark, [DS]).collect()}
    assert sorted(rows) == list(range(2, len(lines) + 1))
    for number, line in enumerate(lines[1:], 2):
        values = [float(value.strip('"')) for value in line.split(",")]
        assert [rows[number][name] for name in columns.HEADER.values()] == values
    assert {row["source_file"] for row in rows.values()} == {NAME}


def test_each_kind_of_bad_line_is_set_aside_with_its_reason(
    spark: SparkSession, ingest: Ingest, landing: Path, lines: list[str], quarantine: Table
) -> None:
    def changed(place: int, value: str) -> str:
        fields = lines[1].split(",")
        return ",".join([*fields[:place], value, *fields[place + 1 :]])

    bad = {
        changed(5, "twelve"): "V5 is not a number",
        changed(6, "1d"): "V6 is not a number",
        changed(7, "0x1p3"): "V7 is not a number",
        changed(8, ""): "V8 is empty",
        changed(29, "NaN"): "Amount is not finite",
        changed(29, "Infinity"): "Amount is not finite",
        changed(29, "-inf"): "Amount is not finite",
        changed(29, "1e999"): "Amount is not finite",
        changed(29, "-0.01"): "Amount is negative",
        changed(0, "0.5"): "Time is not a whole number",
        changed(0, "86400"): "Time is outside of the day",
        changed(30, '"2"'): "Class is neither 0 nor 1",
        changed(30, '"0",1'): "expected 31 columns, got 32",
        "": "an empty line",
        lines[1][:80]: f"expected 31 columns, got {lines[1][:80].count(',') + 1}",
        lines[1].removesuffix('"'): "a quotation mark is not closed: a truncated line",
    }
    (landing / NAME).write_text("\n".join([*lines, *bad]))
    outcome = ingest.run(spark)
    assert outcome.rows == Rows(taken=len(lines) - 1 + len(bad), given=len(lines) - 1, quarantined=len(bad))
    rows = refused(spark, outcome, quarantine)
    assert [(row["source_line"], row["raw"], row["reason"]) for row in rows] == [
        (number, raw, reason) for number, (raw, reason) in enumerate(bad.items(), len(lines) + 1)
    ]
    assert sum(int(warning.split()[0].replace(",", "")) for warning in outcome.warnings) == len(bad)


def test_no_card_data_in_outcome_or_log(
    spark: SparkSession, ingest: Ingest, landing: Path, lines: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    secret = "4111111111111111"
    (landing / NAME).write_text("\n".join([*lines, secret, lines[1].replace(",", f",{secret}x,", 1)]))
    with caplog.at_level(logging.DEBUG, logger="pipelines"):
        outcome = ingest.run(spark)
    assert outcome.rows is not None
    assert outcome.rows.quarantined == 2
    assert secret not in outcome.to_json() + caplog.text


def test_truncated_last_line_costs_that_line_alone(
    spark: SparkSession, ingest: Ingest, landing: Path, lines: list[str], quarantine: Table
) -> None:
    whole = (landing / NAME).read_bytes()
    (landing / NAME).write_bytes(whole[:-40])
    outcome = ingest.run(spark)
    (row,) = refused(spark, outcome, quarantine)
    assert (row["source_line"], row["raw"]) == (len(lines), lines[-1][:-39])


def test_file_delivered_twice_counts_once(
    spark: SparkSession, ingest: Ingest, landing: Path, lines: list[str], quarantine: Table
) -> None:
    once = ingest.run(spark).partitions[0]
    shutil.copy(landing / NAME, (landing / NAME).with_name("transactions_again.csv"))
    outcome = ingest.run(spark)
    assert outcome.partitions[0].fingerprint == once.fingerprint
    assert {row["reason"] for row in refused(spark, outcome, quarantine)} == {
        f"delivered twice, with the same lines as {NAME}"
    }
    assert outcome.rows == Rows(taken=2 * len(lines) - 2, given=len(lines) - 1, quarantined=len(lines) - 1)


def test_equal_values_are_counted_and_kept(
    spark: SparkSession, ingest: Ingest, landing: Path, lines: list[str], quarantine: Table
) -> None:
    before = ingest.run(spark).metrics["equal_values"]
    (landing / NAME).write_text("\n".join([*lines, lines[3], lines[3], lines[4]]) + "\n")
    outcome = ingest.run(spark)
    assert outcome.rows == Rows(taken=len(lines) + 2, given=len(lines) + 2)
    assert outcome.metrics["equal_values"] == before + 3


def test_the_same_input_gives_the_same_partition(spark: SparkSession, ingest: Ingest) -> None:
    first, second = ingest.run(spark), ingest.run(spark)
    assert [pin.fingerprint for pin in first.partitions] == [pin.fingerprint for pin in second.partitions]
    assert first.partitions[0].location != second.partitions[0].location


def test_wrong_delivery_changes_nothing(
    spark: SparkSession, ingest: Ingest, landing: Path, lines: list[str], transactions: Table
) -> None:
    before = ingest.run(spark).partitions[0]
    (landing / NAME).write_text("\n".join([lines[0].replace("V7", "V07"), *lines[1:]]))
    with pytest.raises(BadDelivery, match="header is wrong"):
        ingest.run(spark)
    assert transactions.current(spark, DS) == before


def test_parquet_lands_as_csv_does(spark: SparkSession, ingest: Ingest, landing: Path, transactions: Table) -> None:
    ingest.run(spark)
    names = list(columns.HEADER.values())
    by_csv = transactions.read(spark, [DS]).select(names).orderBy(names).collect()
    typed = spark.read.option("header", True).option("inferSchema", True).csv(str(landing / NAME)).coalesce(1)
    typed.write.parquet(str(landing / "aside"))
    (part,) = (landing / "aside").glob("part-*.parquet")
    (landing / NAME).unlink()
    shutil.move(part, landing / f"fraud/ds={DS}" / "transactions.parquet")
    outcome = ingest.run(spark)
    assert outcome.rows is not None
    assert outcome.rows.quarantined == 0
    assert transactions.read(spark, [DS]).select(names).orderBy(names).collect() == by_csv


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda lines: lines[:1], "got 0"),
        (lambda lines: [lines[0], *[line.replace(line.split(",")[0], "90000", 1) for line in lines[1:]]], "got 0"),
        (lambda lines: [lines[0], *[f"{line},1" for line in lines[1:]]], "got 0"),
        (lambda lines: lines[:600], "got 599"),
    ],
    ids=["header only", "another day's rows", "all quarantined", "a third"],
)
def test_a_poorer_delivery_does_not_replace_what_stands(
    spark: SparkSession,
    ingest: Ingest,
    landing: Path,
    lines: list[str],
    transactions: Table,
    quarantine: Table,
    change: Callable[[list[str]], list[str]],
    says: str,
) -> None:
    before = ingest.run(spark).partitions
    (landing / NAME).write_text("\n".join(change(lines)) + "\n")
    needed = f"there must be at least {len(lines) // 2:,} rows to replace the {len(lines) - 1:,} that stand: {says}"
    with pytest.raises(GateFailed, match=re.escape(needed)) as refused:
        ingest.run(spark)
    assert (transactions.current(spark, DS), quarantine.current(spark, DS)) == before
    assert refused.value.outcome.rows is not None


@pytest.mark.parametrize("change", ["CRLF", "CRLF, and more", "half of it"])
def test_rows_under_another_name_are_recognised(
    spark: SparkSession, ingest: Ingest, landing: Path, lines: list[str], quarantine: Table, change: str
) -> None:
    """Whatever ends their lines; equal rows within one file are rows of their own in both."""
    (landing / NAME).write_text("\n".join([*lines, lines[5]]) + "\n")
    once = ingest.run(spark).partitions[0]
    again = {
        "CRLF": [*lines, lines[5]],
        "CRLF, and more": [*lines, lines[5], ",".join([*lines[5].split(",")[:29], "1.25", lines[5].split(",")[30]])],
        "half of it": lines[: len(lines) // 2],
    }[change]
    (landing / NAME).with_name("zweitschrift.csv").write_bytes("\r\n".join(again).encode() + b"\r\n")
    outcome = ingest.run(spark)
    added = change == "CRLF, and more"
    assert outcome.rows == Rows(
        taken=len(lines) + len(again) - 1, given=once.rows + added, quarantined=len(again) - 1 - added
    )
    assert added or outcome.partitions[0].fingerprint == once.fingerprint
    (reason,) = {row["reason"] for row in refused(spark, outcome, quarantine)}
    assert reason.startswith("delivered twice") and reason.endswith(NAME)


def test_an_app_may_keep_rows_that_two_files_have(
    spark: SparkSession, ingest: Ingest, landing: Path, lines: list[str]
) -> None:
    (landing / NAME).with_name("zweitschrift.csv").write_text("\n".join(lines[:101]) + "\n")
    outcome = replace(ingest, repeats="keep").run(spark)
    assert outcome.rows == Rows(taken=len(lines) + 99, given=len(lines) + 99)


def test_a_table_of_another_team_is_ingested_by_its_partitions(
    spark: SparkSession, ingest: Ingest, landing: Path, lines: list[str], transactions: Table, quarantine: Table
) -> None:
    """With types of its own, in hourly partitions; the rows come with the same values as from the files, and the same numbers."""
    by_file = ingest.run(spark).partitions[0]
    names = list(columns.HEADER.values())
    values = transactions.read(spark, [DS]).select(names).collect()
    typed = spark.read.option("header", True).option("inferSchema", True).csv(str(landing / NAME))
    theirs = f"{transactions.database}.theirs"
    hours = typed.withColumn("hour", F.concat(F.lit("2013090112"), (F.col("Time") / 7200).cast("int").cast("string")))
    hours.write.partitionBy("hour").saveAsTable(theirs)
    spark.sql(f"INSERT INTO {theirs} SELECT * EXCEPT (hour), '2013090200' FROM {theirs}")
    source = HiveSource(table=theirs, partition="hour", first="2013090100", last="20130901999")
    first, again = [replace(ingest, source=source, repeats="keep").run(spark).partitions[0] for _ in range(2)]
    assert first.fingerprint == again.fingerprint and first.rows == by_file.rows
    assert sorted(transactions.read(spark, [DS]).select(names).collect()) == sorted(values)
    (some,) = transactions.read(spark, [DS]).orderBy("source_file", "source_line").limit(1).collect()
    assert (some["source_file"], some["source_line"]) == (f"{theirs}/hour=20130901120", 1)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"table": "nobody.theirs"}, "there is no table nobody.theirs"),
        ({"partition": "hour"}, "missing ['hour']"),
        ({"first": "2014-01-01", "last": "2014-01-31"}, "has no rows with ds 2014-01-01 to 2014-01-31"),
    ],
)
def test_a_table_that_cannot_be_read_as_rows_is_refused(
    spark: SparkSession, ingest: Ingest, transactions: Table, wrong: dict[str, str], says: str
) -> None:
    ingest.run(spark)
    given = {"table": str(transactions), "partition": "ds", "first": DS, "last": DS} | wrong
    same = {name: name for name in columns.HEADER.values()}
    with pytest.raises(BadDelivery, match=re.escape(says)):
        replace(ingest, source=HiveSource(**given), header=same).run(spark)
