import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from infra.hbase.client import Address
from infra.hbase.writing import Unwritten, Writer


@pytest.fixture
def writer(address: Address, table: str) -> Writer:
    return Writer(address=address, table=table, family="results")


def labels(spark: SparkSession, writer: Writer) -> dict[str, str]:
    options = {"hosts": ",".join(writer.address.hosts), "table": writer.table, "family": "results"}
    rows = spark.read.format("hbase").options(**options).schema("key string, label string").load().collect()
    assert len({row.key for row in rows}) == len(rows)
    return {row.key: row.label for row in rows}


def test_rows_that_are_written_again_are_there_once_with_what_was_written_last(
    session: SparkSession, writer: Writer
) -> None:
    rows = session.range(5000).select(F.format_string("2024-03-01|%d", "id").alias("key"), F.lit("cell").alias("label"))
    assert writer.write(rows).rows == 5000
    assert writer.write(rows.limit(10).withColumn("label", F.lit("platelet"))).rows == 10
    found = labels(session, writer)
    assert (len(found), list(found.values()).count("platelet")) == (5000, 10)


def test_rows_that_cannot_be_written_are_counted_with_their_reasons_and_harm_no_other(
    session: SparkSession, writer: Writer
) -> None:
    rows = [("a", "x"), (None, "x"), ("", "x"), ("b", None), ("c", "y" * 11_000_000), ("d", "x")]
    written = writer.write(session.createDataFrame(rows, "key string, label string").coalesce(1))
    assert (written.rows, written.failed) == (2, 4)
    reasons = "\n".join(written.reasons)
    assert "a row: its key is null or empty" in reasons
    assert "b: all its columns are null" in reasons
    assert "too large" in reasons
    assert labels(session, writer) == {"a": "x", "d": "x"}


def test_rows_are_deleted_by_key(session: SparkSession, writer: Writer) -> None:
    rows = session.createDataFrame([("a", "x"), ("b", "x"), ("c", "x")], "key string, label string")
    writer.write(rows)
    removed = writer.remove(rows.where("key <> 'b'"), ("results",))
    assert (removed.rows, removed.failed) == (2, 0)
    assert labels(session, writer) == {"b": "x"}


def test_a_write_that_breaks_off_says_what_it_left_and_is_right_when_run_again(
    session: SparkSession, writer: Writer
) -> None:
    rows = session.range(0, 100, 1, 4).select(F.format_string("2024-03-01|%d", "id").alias("key"))
    good = F.lit("cell")
    bad = F.when(F.col("key") == "2024-03-01|99", F.raise_error(F.lit("no such picture"))).otherwise(good)
    with pytest.raises(Unwritten, match=r"(?s)no such picture.*\d+ rows of tasks that ended are in the table"):
        writer.write(rows.withColumn("label", bad))
    writer.write(rows.withColumn("label", good))
    assert len(labels(session, writer)) == 100


def test_a_table_that_is_not_there_is_no_fault_of_the_rows(session: SparkSession, address: Address, table: str) -> None:
    rows = session.createDataFrame([("a", "x")], "key string, label string")
    with pytest.raises(LookupError, match=r"HBase has no table 'nobody' at 127\.0\.0\.1"):
        Writer(address=address, table="nobody", family="results").write(rows)
    with pytest.raises(LookupError, match=r"has the families \['pictures', 'results'\], got \['nobody'\]"):
        Writer(address=address, table=table, family="nobody").write(rows)
    with pytest.raises(ValueError, match="need a column `key`, got label"):
        Writer(address=address, table="nobody", family="results").write(rows.drop("key"))
