"""A bag is a pure function of seed, member and key, and tells what it did to the base rate."""

import math
from collections import Counter
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines.binary.frames.bag import Bag, steps
from pipelines.binary.models.balance import Balance
from tests.pipelines import frames


def transactions(spark: SparkSession, rows: int = 4000, frauds: int = 400) -> DataFrame:
    numbers = spark.range(rows, numPartitions=3)
    return numbers.select(
        F.lit("a.csv").alias("source_file"),
        F.col("id").alias("source_line"),
        (F.col("id") < frauds).cast("int").alias("fraud"),
    )


def drawn(bag: Bag, rows: DataFrame) -> Counter[int]:
    return Counter(row["source_line"] for row in bag.draw(rows).select("source_line").collect())


@pytest.mark.parametrize("partitions", [1, 7])
def test_a_draw_does_not_depend_on_partitions_or_order(spark: SparkSession, partitions: int) -> None:
    rows, bag = transactions(spark), Bag(roles=frames.ROLES, seed=7, member=3)
    shuffled = rows.orderBy(F.rand(seed=1)).repartition(partitions)
    assert drawn(bag, rows) == drawn(bag, shuffled)


def test_members_and_seeds_draw_different_bags(spark: SparkSession) -> None:
    rows = transactions(spark)
    draws = [
        drawn(Bag(roles=frames.ROLES, seed=seed, member=member), rows) for seed, member in ((7, 0), (7, 1), (8, 0))
    ]
    assert len({frozenset(draw.items()) for draw in draws}) == 3


def test_frauds_are_repeated_and_normal_rows_thinned(spark: SparkSession) -> None:
    draw = drawn(Bag(roles=frames.ROLES, seed=1, member=0, oversample=5.0, undersample=0.25), transactions(spark))
    frauds = [draw[line] for line in range(400)]
    mean = sum(frauds) / 400
    assert mean == pytest.approx(5, abs=4 * math.sqrt(5 / 400))
    assert sum((count - mean) ** 2 for count in frauds) / 400 == pytest.approx(5, rel=0.3)
    normal = [draw[line] for line in range(400, 4000)]
    assert set(normal) == {0, 1}
    assert sum(normal) == pytest.approx(900, abs=4 * math.sqrt(900 * 0.75))


def test_without_oversampling_each_fraud_is_drawn_once(spark: SparkSession) -> None:
    rows = transactions(spark)
    bag = Bag(roles=frames.ROLES, seed=7, member=3, oversample=None, undersample=1.0)
    assert drawn(bag, rows) == Counter(range(4000)) and bag.balance(bag.counted(rows)).shift == 0


def test_the_balance_counts_the_draw_itself(spark: SparkSession) -> None:
    rows, bag = transactions(spark), Bag(roles=frames.ROLES, seed=7, member=3)
    draw = drawn(bag, rows)
    frauds = sum(count for line, count in draw.items() if line < 400)
    assert bag.balance(bag.counted(rows)) == Balance(
        rows=4000, positives=400, drawn_rows=draw.total(), drawn_positives=frauds
    )


def test_poisson_steps_are_the_distribution() -> None:
    found = steps(2.0)
    assert found[:3] == pytest.approx([math.exp(-2), 3 * math.exp(-2), 5 * math.exp(-2)])
    assert found == sorted(found) and found[-1] < 1


@pytest.mark.parametrize(
    "wrong", [{"oversample": 0.0}, {"oversample": 101.0}, {"undersample": 0.0}, {"undersample": 1.5}]
)
def test_rates_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"Bag.{next(iter(wrong))} must be above 0"):
        Bag(roles=frames.ROLES, seed=1, member=0, **wrong)


def test_the_shift_undoes_the_draw() -> None:
    """A model that knows only the base rate says 40 % in the bag; corrected, it says the 10 % there were."""
    shift = Balance(rows=1000, positives=100, drawn_rows=500, drawn_positives=200).shift
    corrected = math.log(0.4 / 0.6) + shift
    assert 1 / (1 + math.exp(-corrected)) == pytest.approx(0.1)


def test_a_bag_without_frauds_is_refused() -> None:
    with pytest.raises(ValueError, match="needs positives and negatives"):
        Balance(rows=1000, positives=1, drawn_rows=250, drawn_positives=0)
