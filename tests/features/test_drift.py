"""Drift is nothing for the same rows, small for a like sample, and large for a shift."""

import json

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from features.drift import drift, profile


@pytest.fixture(scope="module")
def rows(spark: SparkSession) -> DataFrame:
    df = spark.range(4000).select(F.randn(seed=3).alias("normal"), (F.col("id") % 2).cast("double").alias("flag"))
    return df.withColumn("constant", F.lit(1.0)).cache()


def test_same_rows_have_not_drifted(rows: DataFrame) -> None:
    known = profile(rows, ["normal", "flag", "constant"])
    assert drift(rows, known) == {"normal": 0.0, "flag": 0.0, "constant": 0.0}


def test_profile_is_json_and_its_shares_sum_to_one(rows: DataFrame) -> None:
    known = json.loads(json.dumps(profile(rows, ["normal", "flag", "constant"])))
    assert {name: sum(bins["shares"]) for name, bins in known.items()} == pytest.approx(dict.fromkeys(known, 1.0))
    assert known["normal"]["shares"] == pytest.approx([0.1] * 10, abs=0.02)
    assert known["flag"]["edges"] == [0.0, 1.0]


def test_shift_is_told_from_a_like_sample(rows: DataFrame) -> None:
    known = profile(rows, ["normal"])
    assert drift(rows.where("flag = 1"), known)["normal"] < 0.05
    assert drift(rows.withColumn("normal", F.col("normal") + 1), known)["normal"] > 0.25


def test_nulls_and_nan_count_as_drift(rows: DataFrame) -> None:
    known = profile(rows, ["normal"])
    for broken in (F.lit(None).cast("double"), F.lit(float("nan"))):
        assert drift(rows.withColumn("normal", broken), known)["normal"] > 1


def test_no_rows_are_refused(rows: DataFrame) -> None:
    with pytest.raises(ValueError, match="at least one row"):
        drift(rows.limit(0), profile(rows, ["normal"]))
