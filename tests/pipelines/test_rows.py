"""Lines of texts and numbers of which some may be null: each becomes a row, or is refused with the reason."""

from collections.abc import Sequence

import pytest
from pyspark.sql import Row, SparkSession
from pyspark.sql.types import DoubleType, LongType, StringType

from pipelines.rows import Parser

PARSER = Parser(
    header=["Shop", "Size", "Price", "Sold"],
    types={"shop": StringType(), "size": LongType(), "price": DoubleType(), "sold": StringType()},
    rules={"Sold is neither yes nor no": "sold IN ('yes', 'no')"},
    nullable={"shop", "size", "price"},
    null="NA",
)


def parsed(spark: SparkSession, lines: Sequence[str]) -> tuple[list[tuple[object, ...]], list[str]]:
    """The good rows, and the reasons why others are refused, in the lines' order."""
    df = spark.createDataFrame([Row(value=line, repeats=None, number=at) for at, line in enumerate(lines)], SCHEMA)
    typed = PARSER.typed(df)
    good = typed.where("good").orderBy("number").select("shop", "size", "price", "sold").collect()
    return [tuple(row) for row in good], [row["reason"] for row in PARSER.refused(typed).orderBy("number").collect()]


SCHEMA = "value string, repeats string, number int"


def test_texts_keep_commas_and_quotation_marks_and_nulls_are_empty_or_the_text_for_them(spark: SparkSession) -> None:
    rows, refused = parsed(
        spark, ['"East, upper",3,1.5,yes', '"the ""North""",,NA,no', "NA,NA,,yes", '"",7,2,"no"', r"a\b,1,1,no"]
    )
    assert refused == []
    assert rows == [
        ("East, upper", 3, 1.5, "yes"),
        ('the "North"', None, None, "no"),
        (None, None, None, "yes"),
        (None, 7, 2.0, "no"),
        (r"a\b", 1, 1.0, "no"),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("East,1,1,", "Sold is empty"),
        ("East,1,1,NA", "Sold is empty"),
        ("East,1,1,maybe", "Sold is neither yes nor no"),
        ("East,1.5,1,yes", "Size is not a whole number"),
        ("East,one,1,yes", "Size is not a number"),
        ("East,1,NaN,yes", "Price is not finite"),
        ("East,1,yes", "expected 4 columns, got 3"),
        ('East,1,1,"yes', "a quotation mark is not closed: a truncated line"),
        ('"East,1,1,yes', "a quotation mark is not closed: a truncated line"),
    ],
)
def test_what_may_be_null_must_still_be_right_where_it_is_not(spark: SparkSession, line: str, reason: str) -> None:
    assert parsed(spark, ["East,1,1,yes", line]) == ([("East", 1, 1.0, "yes")], [reason])
