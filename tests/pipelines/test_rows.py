"""Columns that may be empty are null where they are; all else about them is held to as before."""

import pytest
from pyspark.sql import SparkSession
from pyspark.sql.types import DoubleType, IntegerType, StringType

from pipelines.rows import Parser

TYPES = {"shop": StringType(), "amount": DoubleType(), "items": IntegerType()}
LINES = {
    "east,1.5,3": None,
    ",,": None,
    '"north, by the sea",,2': None,
    "west,abc,1": "amount is not a number",
    "west,nan,1": "amount is not finite",
    "west,1.0,1.5": "items is not a whole number",
    "west,1.0,": None,
    "west,1.0": "expected 3 columns, got 2",
    "west,-1.0,1": "amount is negative",
}


def reasons(spark: SparkSession, nullable: frozenset[str]) -> dict[str, str | None]:
    parser = Parser(
        header=list(TYPES),
        types=TYPES,
        rules={"amount is negative": "amount IS NULL OR amount >= 0"},
        nullable=nullable,
    )
    lines = spark.createDataFrame([(line, None) for line in LINES], "value string, repeats string")
    typed = parser.typed(lines.withColumn("line", lines["value"]))
    refused = {row["line"]: row["reason"] for row in parser.refused(typed).collect()}
    return {row["line"]: refused.get(row["line"]) for row in typed.collect()}


def test_a_nullable_column_may_be_empty_and_nothing_else(spark: SparkSession) -> None:
    assert reasons(spark, frozenset(TYPES)) == LINES


@pytest.mark.parametrize("nullable", [frozenset(), frozenset({"shop"})])
def test_an_empty_column_that_may_not_be_is_named(spark: SparkSession, nullable: frozenset[str]) -> None:
    found = reasons(spark, nullable)
    assert found[",,"] == ("amount is empty" if nullable else "shop is empty")
    assert found["west,1.0,"] == "items is empty" and found["east,1.5,3"] is None
