"""Features of one row."""

import math

import pytest
from pyspark.sql import SparkSession

from features import expressions


def test_log_amount(spark: SparkSession) -> None:
    df = spark.createDataFrame([(0.0,), (99.0,)], "amount double").select(expressions.log_amount("amount").alias("x"))
    assert [row["x"] for row in df.collect()] == pytest.approx([0.0, math.log(100)])


def test_time_of_day_lies_on_the_circle_and_repeats_each_day(spark: SparkSession) -> None:
    sine, cosine = expressions.on_the_circle("t")
    times = [(0,), (21600,), (43200,), (86399,), (86400,), (86400 * 700 + 21600,)]
    found = [tuple(row) for row in spark.createDataFrame(times, "t bigint").select(sine, cosine).collect()]
    assert found[0] == pytest.approx((0, 1))
    assert found[1] == pytest.approx((1, 0))
    assert found[2] == pytest.approx((0, -1))
    assert math.dist(found[3], found[0]) < 1e-4
    assert found[4] == found[0]
    assert found[5] == found[1]
    assert all(math.hypot(*point) == pytest.approx(1) for point in found)


def test_amount_against_a_window(spark: SparkSession) -> None:
    df = spark.createDataFrame([(9.0, 4.0, 3), (9.0, 0.0, 0)], "amount double, mean double, count bigint")
    found = [row["x"] for row in df.select(expressions.against("amount", "mean", "count").alias("x")).collect()]
    assert found == pytest.approx([math.log(2), 0.0])


def test_period_must_be_positive() -> None:
    with pytest.raises(ValueError, match="at least 1 s, got 0"):
        expressions.on_the_circle("t", period_s=0)
