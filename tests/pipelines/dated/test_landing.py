"""Lines keep their true numbers, and what cannot be read as rows is refused before anything is written."""

import re
import shutil
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from apps.fraud import columns
from pipelines.dated.landing import Landing
from pipelines.dated.source import BadDelivery, Delivery

FOLDER = "fraud/ds=2013-09-01"
NAME = f"{FOLDER}/transactions.csv"
HEADER = list(columns.HEADER)


def landed(spark: SparkSession, root: Path) -> tuple[list[Delivery], DataFrame]:
    return Landing(root=str(root), folder=FOLDER).read(spark, HEADER)


def keyed(found: tuple[list[Delivery], DataFrame]) -> dict[tuple[str, int], str]:
    _, lines = found
    return {(row["source_file"], row["source_line"]): row["value"] for row in lines.collect()}


def test_lines_have_their_numbers_in_a_file_that_many_tasks_read(spark: SparkSession, landing: Path) -> None:
    """The file is cut into splits of 4 kB, at no line's end, and a partition reads several of them."""
    lines = (landing / NAME).read_text().splitlines()
    assert len(lines) > 1500
    spark.conf.set("spark.sql.files.maxPartitionBytes", "4096")
    spark.conf.set("spark.sql.files.openCostInBytes", "0")
    try:
        found = keyed(landed(spark, landing))
    finally:
        spark.conf.unset("spark.sql.files.maxPartitionBytes")
        spark.conf.unset("spark.sql.files.openCostInBytes")
    assert found == {(NAME, number): line for number, line in enumerate(lines, 1) if number > 1}


def test_every_file_has_numbers_of_its_own(spark: SparkSession, landing: Path) -> None:
    lines = (landing / NAME).read_text().splitlines()
    (landing / FOLDER / "a b%20c.csv").write_text("\r\n".join([lines[0], *lines[5:9]]) + "\r\n")
    deliveries, _ = landed(spark, landing)
    assert deliveries == [
        Delivery(name=f"{FOLDER}/a b%20c.csv", lines=4),
        Delivery(name=NAME, lines=len(lines) - 1),
    ]
    found = keyed(landed(spark, landing))
    assert len(found) == 4 + len(lines) - 1
    assert found[f"{FOLDER}/a b%20c.csv", 2].rstrip("\r") == lines[5]


def test_parquet_rows_are_numbered_too(spark: SparkSession, landing: Path) -> None:
    file = landing / NAME
    rows = spark.read.option("header", True).csv(str(file)).limit(20).coalesce(1)
    first = rows.collect()[0]
    rows.write.parquet(str(landing / "aside"))
    (part,) = (landing / "aside").glob("part-*.parquet")
    file.unlink()
    shutil.move(part, landing / FOLDER / "rows.parquet")
    found = keyed(landed(spark, landing))
    assert sorted(number for _, number in found) == list(range(1, 21))
    assert found[f"{FOLDER}/rows.parquet", 1].split(",") == list(first)


def test_file_of_the_same_lines_repeats_the_first(spark: SparkSession, landing: Path) -> None:
    file = landing / NAME
    shutil.copy(file, file.with_name("zweitschrift.csv"))
    deliveries, lines = landed(spark, landing)
    assert [delivery.repeats for delivery in deliveries] == [None, NAME]
    repeated = lines.where("repeats IS NOT NULL").groupBy("source_file", "repeats").count().collect()
    assert [tuple(row) for row in repeated] == [(f"{FOLDER}/zweitschrift.csv", NAME, deliveries[0].lines)]


def test_no_file_is_an_error(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(BadDelivery, match=re.escape(f"no landing file in {tmp_path}/{FOLDER}; deliver one")):
        landed(spark, tmp_path)


def test_empty_file_is_an_error(spark: SparkSession, landing: Path) -> None:
    (landing / NAME).write_text("")
    with pytest.raises(BadDelivery, match=r"transactions.csv is empty, without even a header; deliver it again"):
        landed(spark, landing)


def test_header_alone_is_a_delivery_of_no_rows(spark: SparkSession, landing: Path) -> None:
    (landing / NAME).write_text((landing / NAME).read_text().splitlines()[0] + "\n")
    deliveries, lines = landed(spark, landing)
    assert deliveries == [Delivery(name=NAME, lines=0)]
    assert lines.count() == 0


def test_byte_order_mark_does_not_hide_the_header(spark: SparkSession, landing: Path) -> None:
    (landing / NAME).write_text((landing / NAME).read_text(), encoding="utf-8-sig")
    deliveries, _ = landed(spark, landing)
    assert deliveries[0].lines > 1000


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (lambda names: [*names[:1], "Vee1", *names[2:]], "missing ['V1'], not expected ['Vee1']"),
        (lambda names: names[:-1], "missing ['Class'], not expected none"),
        (lambda names: [*names, "Extra"], "missing none, not expected ['Extra']"),
        (lambda names: [*names, "V1"], "expected 31 columns, got 32, some twice"),
        (lambda names: [names[0], names[2], names[1], *names[3:]], "reordered: column 2 must be V1, got V2"),
    ],
)
def test_wrong_header_is_refused_with_the_difference(
    spark: SparkSession, landing: Path, change: object, difference: str
) -> None:
    lines = (landing / NAME).read_text().splitlines()
    (landing / NAME).write_text("\n".join([",".join(change(HEADER)), *lines[1:]]) + "\n")  # type: ignore[operator]
    with pytest.raises(BadDelivery, match=re.escape(f"{NAME}: the header is wrong: {difference}")):
        landed(spark, landing)


@pytest.mark.parametrize(("separator", "named"), [(";", "';'"), ("\t", "'\\t'")])
def test_another_separator_is_named(spark: SparkSession, landing: Path, separator: str, named: str) -> None:
    (landing / NAME).write_text((landing / NAME).read_text().replace(",", separator))
    with pytest.raises(BadDelivery, match=re.escape(f"columns are separated by {named} and must be by ','")):
        landed(spark, landing)


def test_missing_header_is_refused_without_showing_card_data(spark: SparkSession, landing: Path) -> None:
    lines = (landing / NAME).read_text().splitlines()
    (landing / NAME).write_text("\n".join(lines[1:]) + "\n")
    with pytest.raises(BadDelivery, match="the first line does not name columns") as refused:
        landed(spark, landing)
    assert not any(value in str(refused.value) for value in lines[1].split(",")[1:29])


def test_other_files_are_refused_and_hidden_ones_ignored(spark: SparkSession, landing: Path) -> None:
    (landing / FOLDER / "_SUCCESS").touch()
    (landing / FOLDER / ".part.tmp").write_text("half")
    assert len(landed(spark, landing)[0]) == 1
    (landing / FOLDER / "notes.txt").write_text("hello")
    with pytest.raises(BadDelivery, match=r"notes.txt must be a file whose name ends in one of"):
        landed(spark, landing)
