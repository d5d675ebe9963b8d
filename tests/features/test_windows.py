"""Window features equal a brute-force sum over [t - w, t), however rows are split, ordered or cut off in the past."""

from collections.abc import Sequence
from random import Random

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from features.windows import Windows

SPANS = {"10m": 600, "1h": 3600, "1d": 86400}
Row = tuple[int, str, int]  # second, card, cents

EDGES = (0, 599, 600, 601, 3599, 3600, 3601, 86399, 86400, 86401, 90000)


def stream(seed: int, count: int = 500) -> list[Row]:
    """Rows with ties, gaps and bursts, and some exactly a window apart."""
    draw = Random(seed)
    crowd = [draw.randrange(50) for _ in range(count // 3)]
    spread = [draw.randrange(200_000) for _ in range(count // 3)]
    apart = [draw.choice(EDGES) + draw.randrange(3) for _ in range(count // 3)]
    return [(second, draw.choice("aab"), draw.randrange(10**7)) for second in crowd + spread + apart]


def windows(entity: Sequence[str] = ()) -> Windows:
    return Windows(time="t", amount="amount", spans=SPANS, entity=entity)


def frame(spark: SparkSession, rows: Sequence[Row]) -> DataFrame:
    keyed = [(number, second, card, cents / 100) for number, (second, card, cents) in enumerate(rows)]
    return spark.createDataFrame(keyed, "id int, t bigint, card string, amount double")


def expected(rows: Sequence[Row], second: int, card: str | None, span: int) -> tuple[int, float]:
    """Count and mean over what came in [second - span, second), as the definition says."""
    cents = [c for s, k, c in rows if second - span <= s < second and card in (None, k)]
    return len(cents), sum(cents) * 0.01 / len(cents) if cents else 0.0


def test_windows_equal_brute_force(spark: SparkSession) -> None:
    rows = stream(seed=11)
    found = windows(["card"])(windows()(frame(spark, rows))).collect()
    assert len(found) == len(rows)
    for row in found:
        second, card, _ = rows[row["id"]]
        for name, span in SPANS.items():
            whole = (row[f"count_{name}"], row[f"mean_{name}"])
            own = (row[f"card_count_{name}"], row[f"card_mean_{name}"])
            assert whole == pytest.approx(expected(rows, second, None, span), rel=1e-12)
            assert own == pytest.approx(expected(rows, second, card, span), rel=1e-12)


def test_ties_and_the_row_itself_are_not_seen(spark: SparkSession) -> None:
    rows = [(100, "a", 500), (100, "a", 700), (100, "b", 900), (101, "a", 1)]
    found = {row["id"]: row for row in windows()(frame(spark, rows)).collect()}
    assert [found[number]["count_10m"] for number in range(4)] == [0, 0, 0, 3]
    assert found[3]["mean_10m"] == pytest.approx(7.0)


def test_window_begins_with_its_first_second_and_ends_before_the_row(spark: SparkSession) -> None:
    rows = [(0, "a", 100), (600, "a", 300), (601, "a", 500)]
    found = {row["id"]: row for row in windows()(frame(spark, rows)).collect()}
    assert (found[1]["count_10m"], found[1]["mean_10m"]) == (1, 1.0)
    assert (found[2]["count_10m"], found[2]["mean_10m"]) == (1, 3.0)


def test_result_is_a_function_of_the_rows_alone(spark: SparkSession) -> None:
    """Bit for bit: other partitions, another order, other buckets, and a past that reaches further back."""
    rows = [(second * 37 % 190_000, "ab"[second % 2], second * 1_313 % 99_999) for second in range(400)]
    df = frame(spark, rows)
    whole = _values(windows()(df))
    assert _values(windows()(df.repartition(7).orderBy(F.col("amount").desc()))) == whole
    assert _values(Windows(time="t", amount="amount", spans=SPANS, bucket_s=7)(df)) == whole
    late = df.where("t >= 100000")
    with_a_day_before = _values(windows()(df.where("t >= 13600")))
    assert {key: with_a_day_before[key] for key in _values(late)} == {key: whole[key] for key in _values(late)}


def _values(df: DataFrame) -> dict[int, tuple[float, ...]]:
    return {row["id"]: tuple(row)[4:] for row in df.select("id", "t", "card", "amount", *df.columns[4:]).collect()}


def test_what_is_known_after_a_delay_is_not_seen_before(spark: SparkSession) -> None:
    """Shares of labels of [t - d - w, t - d); rows without a label are not counted, and their own second asks all the same."""
    draw, delay = Random(5), 900
    rows = [(second, card, draw.choice([0, 1, None])) for second, card, _ in stream(seed=12)]
    frame = spark.createDataFrame([(n, *row) for n, row in enumerate(rows)], "id int, t bigint, card string, label int")
    risks = Windows(
        time="t", amount="label", unit=1.0, spans=SPANS, entity=["card"], delay_s=delay, figures=("known", "risk")
    )
    for row in risks(frame).collect():
        second, card, _ = rows[row["id"]]
        for name, span in SPANS.items():
            seen = [
                x for s, c, x in rows if c == card and second - delay - span <= s < second - delay and x is not None
            ]
            assert row[f"card_known_{name}"] == len(seen)
            assert row[f"card_risk_{name}"] == pytest.approx(sum(seen) / len(seen) if seen else 0.0)
    assert risks.longest_s == 86400 + delay and risks.columns[:2] == ("card_known_10m", "card_risk_10m")


def test_cost_is_linear_in_rows(spark: SparkSession) -> None:
    """No step of the plan sees more rows than a fixed number per second of data, even if all are in one window."""
    df = spark.range(20_000).select(F.col("id").alias("t"), (F.col("id") % 100).cast("double").alias("amount"))
    plan = windows()(df)._jdf.queryExecution().executedPlan()
    windows()(df).write.format("noop").mode("overwrite").save()
    text = plan.toString()
    assert "BroadcastNestedLoopJoin" not in text
    assert "CartesianProduct" not in text
    assert "RangeFrame, -" not in text
    (row,) = windows()(df).agg(F.max("count_1h").alias("hour"), F.max("count_1d").alias("day")).collect()
    assert (row["hour"], row["day"]) == (3600, 19_999)


@pytest.mark.parametrize("wrong", [{"spans": {}}, {"spans": {"x": 0}}, {"unit": 0.0}, {"bucket_s": 0}, {"delay_s": -1}])
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="Windows"):
        Windows(**{"time": "t", "amount": "amount", "spans": SPANS, **wrong})  # type: ignore[arg-type]
