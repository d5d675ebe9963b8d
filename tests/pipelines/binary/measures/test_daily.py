"""Test rows day by day: each day's figures are those of its rows, and drift is that of Spark's profile."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from features.drift import drift, profile
from pipelines.binary.measures.daily import by_day, drift_by_day
from pipelines.binary.measures.scored import Scored

FIRST = 17_622 * 86_400
"""2018-04-01"""


def scored(first: int) -> Scored:
    return Scored(
        label=np.array([1, 0, 0, 1, 0]),
        value=np.ones(5),
        probability=np.array([0.9, 0.1, 0.3, 0.2, 0.4]),
        time=first + np.array([0.0, 5.0, 86_400.0, 86_401.0, 3 * 86_400.0]),
        entity=np.array([1, 2, 1, 2, 3]),
    )


def test_each_day_has_its_own_figures() -> None:
    days = by_day(scored(FIRST), top=1)
    assert [(day.date, day.rows, day.positives) for day in days] == [
        ("2018-04-01", 2, 1),
        ("2018-04-02", 2, 1),
        ("2018-04-04", 1, 0),
    ]
    assert [day.average_precision for day in days] == [1.0, 0.5, None]
    assert [day.precision_at_top for day in days] == [1.0, 1.0, 0.0]  # card 1 is known on the second day


def test_seconds_of_another_origin_have_days_by_number() -> None:
    assert [day.date for day in by_day(scored(0))] == ["0", "1", "3"]


def test_drift_by_day_is_the_drift_of_the_days_rows(spark: SparkSession, tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    before = pd.DataFrame({"a": chance.normal(size=500), "b": chance.integers(0, 3, 500).astype(float)})
    after = pd.DataFrame({"time_s": FIRST + np.repeat([0, 86_400], 200), "a": chance.normal(size=400)})
    after["b"] = np.where(after.time_s > FIRST, 2.0, chance.integers(0, 3, 400).astype(float))
    after.to_parquet(tmp_path / "part-0.parquet", index=False)
    bins = profile(spark.createDataFrame(before), ["a", "b"], error=0.0)
    found = drift_by_day(tmp_path, "time_s", bins)
    assert list(found) == ["2018-04-01", "2018-04-02"] and found["2018-04-02"]["b"] > 1 > found["2018-04-01"]["b"]
    rows = spark.createDataFrame(after[after.time_s > FIRST][["a", "b"]])
    assert found["2018-04-02"] == pytest.approx(drift(rows, bins))
