"""A row's features are the same whichever dates are engineered with it, and however often."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from apps.fraud import columns
from apps.fraud.gates import GATES
from apps.fraud.recipe import FRAUD
from infra.expectations import some_rows, unique
from infra.tables.fence import Superseded
from infra.tables.hive import Partition, Table
from pipelines.dated.engineer import Engineer
from pipelines.dated.ingest import Ingest
from pipelines.dated.judge import Judge
from pipelines.dated.landing import Landing
from pipelines.outcome import Outcome, Rows

DAYS = ("2013-09-01", "2013-09-02")
DATABASE = "test_engineer"


@dataclass(frozen=True, kw_only=True)
class Engineered:
    """Both days of the sample, ingested, and engineered together as training does."""

    transactions: Table
    features: Table
    pins: tuple[Partition, ...]
    outcome: Outcome


@pytest.fixture(scope="module")
def both(
    spark: SparkSession, sample_days: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engineered]:
    landing = tmp_path_factory.mktemp("landing")
    transactions = dataclasses.replace(columns.TRANSACTIONS, database=DATABASE)
    features = dataclasses.replace(columns.FEATURE_TABLE, database=DATABASE)
    pins = []
    for ds, lines in sample_days.items():
        (landing / f"ds={ds}").mkdir()
        (landing / f"ds={ds}" / "transactions.csv").write_text("".join(lines))
        pins.append(ingest(ds, str(landing), transactions).run(spark).partitions[0])
    outcome = engineer(transactions, features, pins).run(spark)
    yield Engineered(transactions=transactions, features=features, pins=tuple(pins), outcome=outcome)
    spark.sql(f"DROP DATABASE {DATABASE} CASCADE")


def ingest(ds: str, landing: str, transactions: Table) -> Ingest:
    return Ingest(
        source=Landing(root=landing, folder=f"ds={ds}"),
        header=columns.HEADER,
        rules=columns.rules(ds),
        table=transactions,
        quarantine=dataclasses.replace(FRAUD.quarantine, database=DATABASE),
        judge=Judge(expectations=[some_rows(), unique(columns.KEY)], key=columns.KEY),
        ds=ds,
        run_id="run-1",
    )


def engineer(transactions: Table, features: Table, inputs: Sequence[Partition]) -> Engineer:
    return Engineer(
        source=transactions,
        table=features,
        inputs=tuple(inputs),
        transform=columns.engineered,
        judge=Judge(expectations=GATES.features, key=columns.KEY),
        history_days=1,
        gaps=frozenset({columns.DAY_BEFORE}),
        run_id="run-1",
    )


def test_no_row_is_lost(both: Engineered) -> None:
    rows = sum(pin.rows for pin in both.pins)
    assert both.outcome.rows == Rows(taken=rows, given=rows)


def test_training_and_scoring_see_equal_features(spark: SparkSession, both: Engineered) -> None:
    """Training engineers both days at once; a nightly scoring run has the second day alone, with the day before it."""
    nightly = dataclasses.replace(both.features, name="nightly")
    outcome = engineer(both.transactions, nightly, both.pins[1:]).run(spark)
    assert outcome.partitions[0].fingerprint == both.outcome.partitions[1].fingerprint
    assert f"with {DAYS[0]} as history" in outcome.summary
    assert _rows(spark, nightly) == _rows(spark, both.features)


def _rows(spark: SparkSession, features: Table) -> list[tuple[object, ...]]:
    return sorted(tuple(row) for row in features.read(spark, DAYS[1:]).collect())


def test_windows_reach_over_midnight(spark: SparkSession, both: Engineered) -> None:
    first = both.features.read(spark, DAYS[1:]).orderBy("time_s").first()
    assert first is not None
    times = [row["time_s"] for row in both.transactions.read(spark, DAYS).select("time_s").collect()]
    second = first["time_s"]
    assert first["count_1d"] == sum(second - 86400 <= time < second for time in times) > 1000


def test_features_have_no_null_and_no_nan(spark: SparkSession, both: Engineered) -> None:
    bad = [F.sum((F.col(name).isNull() | F.isnan(name)).cast("int")).alias(name) for name in columns.FEATURES]
    (counted,) = both.features.read(spark, DAYS).agg(*bad).collect()
    assert set(counted.asDict().values()) == {0}


def test_input_of_a_superseded_run_is_refused(spark: SparkSession, both: Engineered) -> None:
    earlier = dataclasses.replace(both.pins[1], fingerprint="of other rows")
    with pytest.raises(Superseded, match="superseded by run run-1"):
        engineer(both.transactions, both.features, [both.pins[0], earlier]).run(spark)


def test_engineer_needs_inputs(both: Engineered) -> None:
    with pytest.raises(ValueError, match="at least one partition"):
        engineer(both.transactions, both.features, [])
