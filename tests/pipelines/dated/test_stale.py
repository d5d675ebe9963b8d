"""Days that arrive late or again make what looks back on them stale, and any order of arrival ends in the same tables."""

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, LongType, StructField, StructType

from features.windows import Windows
from infra.expectations import some_rows
from infra.tables.hive import Partition, Table
from pipelines.dated.engineer import Engineer, MissingHistory
from pipelines.dated.judge import Judge
from pipelines.dated.stale import stale

DAY_S = 86_400
DAYS = ("2013-09-01", "2013-09-02", "2013-09-03", "2013-09-04")
WINDOWS = Windows(time="time_s", amount="amount", spans={"1d": DAY_S})
ROW = [StructField("time_s", LongType()), StructField("amount", DoubleType())]
MADE = [StructField("count_1d", LongType()), StructField("mean_1d", DoubleType())]


@pytest.fixture
def rows(database: str) -> Table:
    return Table(database=database, name="rows", schema=StructType(ROW), version=1)


@pytest.fixture
def made(database: str) -> Table:
    return Table(database=database, name="made", schema=StructType(ROW + MADE), version=1)


def land(spark: SparkSession, rows: Table, ds: str, amount: float = 1.0) -> Partition:
    """Ten rows spread over a day."""
    second = F.col("id") * 8000 + DAYS.index(ds) * DAY_S
    day = spark.range(10).select(second.alias("time_s"), F.lit(amount).alias("amount"))
    return rows.stage(spark, day, ds=ds, run="r").commit()


def engineer(rows: Table, made: Table, *pins: Partition, **more: object) -> Engineer:
    given = {"gaps": frozenset({"2013-08-31"}), **more}
    judge = Judge(expectations=[some_rows()], key=("time_s",))
    return Engineer(
        source=rows,
        table=made,
        inputs=pins,
        transform=WINDOWS,
        judge=judge,
        history_days=1,
        run_id="r",
        **given,  # type: ignore[arg-type]
    )


def found(spark: SparkSession, rows: Table, made: Table) -> list[str]:
    return list(stale(spark, source=rows, table=made, dates=DAYS))


def test_a_missing_day_of_history_is_named(spark: SparkSession, rows: Table, made: Table) -> None:
    pin = land(spark, rows, DAYS[2])
    with pytest.raises(
        MissingHistory, match=f"{rows} has no rows of {DAYS[1]}, on which the features of {DAYS[2]} look"
    ):
        engineer(rows, made, pin).run(spark)
    assert made.dates(spark) == []
    engineer(rows, made, pin, gaps=frozenset({DAYS[1]})).run(spark)
    assert made.dates(spark) == [DAYS[2]]


def test_a_late_day_and_one_delivered_again_make_what_looks_back_on_them_stale(
    spark: SparkSession, rows: Table, made: Table
) -> None:
    second, third = (land(spark, rows, ds) for ds in DAYS[1:3])
    engineer(rows, made, second, third, gaps="allow").run(spark)
    assert found(spark, rows, made) == []
    first = land(spark, rows, DAYS[0])
    said = stale(spark, source=rows, table=made, dates=DAYS)
    assert said == {DAYS[1]: f"{made} ds={DAYS[1]} is stale: {rows} ds={DAYS[0]} has arrived since; make it again"}
    outcome = engineer(rows, made, first).run(spark)
    assert outcome.warnings == tuple(said.values())
    engineer(rows, made, second).run(spark)
    assert found(spark, rows, made) == []
    land(spark, rows, DAYS[1], amount=2.0)
    assert found(spark, rows, made) == [DAYS[1], DAYS[2]]
    land(spark, rows, DAYS[1])
    assert found(spark, rows, made) == []


@pytest.mark.parametrize("places", [(1, 0, 2), (2, 0, 1), (3, 1, 0, 2)])
def test_a_backfill_in_any_order_gives_the_same_tables(
    spark: SparkSession, rows: Table, made: Table, places: tuple[int, ...]
) -> None:
    """Each day comes, is engineered with what there is, and what is stale then is engineered again."""
    order = [DAYS[place] for place in places]
    for number, ds in enumerate(order):
        engineer(rows, made, land(spark, rows, ds, 1.0 + DAYS.index(ds)), gaps="allow").run(spark)
        for late in found(spark, rows, made):
            engineer(rows, made, rows.current(spark, late), gaps="allow").run(spark)
        assert found(spark, rows, made) == []
        assert made.dates(spark) == sorted(order[: number + 1])
    seen = {row["time_s"]: (row["count_1d"], row["mean_1d"]) for row in made.read(spark, made.dates(spark)).collect()}
    assert seen == brute(spark, rows, made.dates(spark))


def brute(spark: SparkSession, rows: Table, dates: list[str]) -> dict[int, tuple[int, float]]:
    """Every row's window as the definition says, over all days together."""
    everything = sorted((row["time_s"], row["amount"]) for row in rows.read(spark, dates).collect())
    windows = {time: [amount for other, amount in everything if time - DAY_S <= other < time] for time, _ in everything}
    return {
        time: (len(seen), round(100 * sum(seen)) * 0.01 / len(seen) if seen else 0.0) for time, seen in windows.items()
    }
