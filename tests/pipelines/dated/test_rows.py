"""Values of any type are read from lines, and what may be empty is."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, DataType, DateType, DecimalType, DoubleType, LongType, StringType

from pipelines.dated.rows import Parser
from pipelines.dated.source import CSV

TYPES: dict[str, DataType] = {
    "id": LongType(),
    "day": DateType(),
    "price": DecimalType(9, 2),
    "open": BooleanType(),
    "rate": DoubleType(),
    "note": StringType(),
}
PARSER = Parser(
    header=["Id", "Day", "Price", "Open", "Rate", "Note"],
    types=TYPES,
    rules={"Rate is negative": "rate >= 0"},
    optional=("rate", "note"),
)


def read(spark: SparkSession, *lines: str, parser: Parser = PARSER) -> tuple[list[Row], list[str]]:
    """The good rows, and the reasons of the others."""
    numbered = [("a.csv", number, None, line) for number, line in enumerate(lines)]
    given = spark.createDataFrame(numbered, "source_file string, source_line bigint, repeats string, value string")
    typed = parser.typed(given)
    good = typed.where("good").select(*TYPES).collect()
    return good, [row["reason"] for row in parser.refused(typed).orderBy("source_line").select("reason").collect()]


def test_every_type_is_read_without_loss(spark: SparkSession) -> None:
    (row,), reasons = read(spark, '9007199254740993,2013-09-01,12.30,true,0.1,"a, ""b"" \\n"')
    assert tuple(row) == (9007199254740993, date(2013, 9, 1), Decimal("12.30"), True, 0.1, 'a, "b" \\n')
    assert reasons == []


def test_optional_columns_may_be_empty_and_no_rule_speaks_of_them(spark: SparkSession) -> None:
    (row,), reasons = read(spark, "1.0,2013-09-01,1,false,,")
    assert tuple(row) == (1, date(2013, 9, 1), Decimal("1.00"), False, None, None)
    assert reasons == []


def test_a_text_may_stand_for_no_value(spark: SparkSession) -> None:
    (row,), reasons = read(
        spark, "1,2013-09-01,1,true,NA,NA", "NA,2013-09-01,1,true,1,x", parser=replace(PARSER, null="NA")
    )
    assert tuple(row)[-2:] == (None, None)
    assert reasons == ["Id is empty"]


def test_what_cannot_be_read_says_why(spark: SparkSession) -> None:
    good, reasons = read(
        spark,
        "1.5,2013-09-01,1,true,0.1,x",
        "1,yesterday,1,true,0.1,x",
        "1,2013-09-01,cheap,true,0.1,x",
        "1,2013-09-01,1,perhaps,0.1,x",
        "1,2013-09-01,1,true,many,x",
        "1,2013-09-01,1,true,-1,x",
        ",2013-09-01,1,true,0.1,x",
        '1,2013-09-01,1,true,0.1,"x, y',
    )
    assert good == []
    assert reasons == [
        "Id is not a whole number",
        "Day is not a date",
        "Price is not a decimal(9,2)",
        "Open is not a boolean",
        "Rate is not a number",
        "Rate is negative",
        "Id is empty",
        "a quotation mark is not closed: a truncated line",
    ]


def test_rows_survive_being_written_as_lines(spark: SparkSession) -> None:
    """As rows of Parquet files and of other tables are."""
    rows = [
        (1, date(2013, 9, 1), Decimal("1.00"), True, 1e-300, 'a "quoted", \\"text\\"'),
        (2, date(1, 1, 1), Decimal("0.00"), False, None, None),
    ]
    schema = ", ".join(f"{name} {kind.simpleString()}" for name, kind in TYPES.items())
    lines = spark.createDataFrame(rows, schema).select(F.to_csv(F.struct(*TYPES), CSV)).collect()
    good, reasons = read(spark, *[line[0] for line in lines])
    assert sorted(tuple(row) for row in good) == rows and reasons == []


def test_optional_columns_must_be_the_tables() -> None:
    with pytest.raises(ValueError, match=r"Parser.optional must name columns of the table, got \['note'\]"):
        Parser(header=["Id"], types={"id": LongType()}, rules={}, optional=("note",))
