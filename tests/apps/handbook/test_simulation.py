"""The simulation on Spark and its days on their way to features: rows do not depend on partitions, labels come a week late."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from apps.handbook import columns
from apps.handbook.recipe import HANDBOOK, STEPS
from apps.handbook.simulation import Simulation, land
from features.expressions import DAY_S
from infra.settings import Settings
from pipelines import outcome
from pipelines.dated.engineer import Engineer
from pipelines.dated.stale import source_key
from pipelines.outcome import Outcome
from pipelines.runner import params
from pipelines.runner.perform import write
from pipelines.runner.run import Run

SMALL = Simulation(customers=60, terminals=120, side=12.0, days=9, seed=3)
DAYS = tuple(f"2018-04-{day:02d}" for day in range(1, SMALL.days + 1))


@pytest.fixture(scope="module")
def rows(spark: SparkSession) -> DataFrame:
    return SMALL.rows(spark).cache()


def test_rows_are_a_function_of_the_simulation_alone(spark: SparkSession, rows: DataFrame) -> None:
    found = sorted(map(tuple, rows.collect()))
    spark.conf.set("spark.sql.shuffle.partitions", "1")
    try:
        assert sorted(map(tuple, SMALL.rows(spark).collect())) == found
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", "4")
    assert sorted(map(tuple, replace(SMALL, seed=4).rows(spark).collect())) != found
    assert len({row[0] for row in found}) == len(found) > 500


def test_customers_use_every_terminal_within_the_radius(spark: SparkSession) -> None:
    placed = {
        kind: SMALL._placed(spark, count, kind).collect() for kind, count in (("customer", 60), ("terminal", 120))
    }
    expected = {
        who["id"]: [at["id"] for at in placed["terminal"] if np.hypot(who["x"] - at["x"], who["y"] - at["y"]) < 5]
        for who in placed["customer"]
    }
    found = {row["id"]: row["nearby"] for row in SMALL.nearby(spark).collect()}
    assert found == {number: nearby for number, nearby in expected.items() if nearby}


def test_a_larger_one_is_as_dense() -> None:
    larger = Simulation.scaled(4, days=10, seed=3)
    assert (larger.customers, larger.terminals, larger.side) == (20_000, 40_000, 200.0)
    with pytest.raises(ValueError, match="a simulation needs customers"):
        Simulation(customers=0)


@pytest.fixture(scope="module")
def run(
    spark: SparkSession, settings: Settings, rows: DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Run]:
    """A run whose landing folder has all days, with the labels of all."""
    state = tmp_path_factory.mktemp("state")
    land(rows, str(state / "landing"))
    values = params.validated(params.schema(Path("apps/handbook/params.json")), {})
    known = settings.model_copy(update={"landing": str(state / "landing"), "state": state})
    yield Run(app="handbook", id="test", ds=DAYS[0], member=0, params=values, settings=known)
    spark.sql("DROP DATABASE IF EXISTS handbook CASCADE")


def done(spark: SparkSession, run: Run, step: str, ds: str) -> Outcome:
    found = replace(run, ds=ds)
    left: Outcome = STEPS[step].build(found).run(spark)
    write(outcome.file(found.folder, STEPS[step].instance(step, found)), left.to_json())
    return left


def test_labels_become_due_after_a_week(spark: SparkSession, run: Run) -> None:
    assert "skipped: labels of 2018-03-25 would be due" in done(spark, run, "labels", DAYS[0]).summary


def test_features_see_the_labels_that_were_known_and_no_others(spark: SparkSession, run: Run, rows: DataFrame) -> None:
    """By its definition: of a terminal, the share of frauds among what is a week old or more, up to a day older."""
    for ds in (DAYS[0], DAYS[-1]):
        done(spark, run, "ingest", ds)
    step = STEPS["engineer"].build(replace(run, ds=DAYS[-1]))
    assert isinstance(step, Engineer)
    last = replace(step, gaps="allow")  # of the days between, none is looked back on for labels of a day
    with pytest.raises(LookupError, match=f"handbook.labels has no labels of {DAYS[0]}; ingest these dates' labels"):
        last.run(spark)
    labels = done(spark, run, "labels", DAYS[-2]).partitions[0]
    assert (labels.table, labels.ds) == ("handbook.labels", DAYS[0])
    last.run(spark)
    given: Any = rows.toPandas()
    given = given[given.second // DAY_S == 0]
    seen = 0
    for row in HANDBOOK.features.read(spark, [DAYS[-1]]).join(rows, on="transaction_id").collect():
        ago = row["second"] - given.second[given.terminal_id == row["terminal_id"]] - 7 * DAY_S
        known = given.fraud[given.terminal_id == row["terminal_id"]][(ago > 0) & (ago <= DAY_S)]
        assert row["terminal_id_known_1d"] == len(known)
        assert row["terminal_id_risk_1d"] == pytest.approx(known.mean() if len(known) else 0)
        assert row["terminal_id_frauds_1d"] == known.sum()
        assert row["terminal_id_risk_change"] == pytest.approx(
            row["terminal_id_risk_1d"] - row["terminal_id_risk_7d"] if len(known) else 0
        )
        week, month = np.log1p([row["customer_id_mean_7d"], row["customer_id_mean_30d"]])
        assert row["customer_id_recent_7d"] == pytest.approx(week - month if row["customer_id_count_7d"] else 0)
        seen += len(known)
    assert seen > 10
    kept = HANDBOOK.features.inputs(spark, DAYS[-1])
    assert kept[source_key(columns.LABEL_TABLE, DAYS[0])] == labels.fingerprint
