"""A row's features are the same whichever dates are engineered with it, and however often."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from apps.fraud import columns
from infra.fence import Superseded
from infra.hive import Partition, Table
from pipelines.engineer import Engineer
from pipelines.ingest import Ingest
from pipelines.outcome import Rows

DAYS = ("2013-09-01", "2013-09-02")


@pytest.fixture
def pins(spark: SparkSession, landing: Path, transactions: Table, quarantine: Table) -> list[Partition]:
    """Both days of the sample, ingested."""
    return [ingest(ds, landing, transactions, quarantine).run(spark).partitions[0] for ds in DAYS]


def ingest(ds: str, landing: Path, transactions: Table, quarantine: Table) -> Ingest:
    return Ingest(
        landing=str(landing),
        source=f"fraud/ds={ds}",
        header=columns.HEADER,
        rules=columns.rules(ds),
        table=transactions,
        quarantine=quarantine,
        ds=ds,
        run_id="run-1",
    )


def engineer(transactions: Table, features: Table, inputs: Sequence[Partition]) -> Engineer:
    return Engineer(
        source=transactions,
        table=features,
        inputs=tuple(inputs),
        transform=columns.engineered,
        history_days=1,
        run_id="run-1",
    )


def test_training_and_scoring_see_equal_features(
    spark: SparkSession, transactions: Table, features: Table, pins: list[Partition]
) -> None:
    """Training engineers both days at once; a nightly scoring run has the second day alone, with the day before it."""
    training = engineer(transactions, features, pins).run(spark)
    by_training = _rows(spark, features)
    scoring = engineer(transactions, features, pins[1:]).run(spark)
    assert scoring.partitions[0].fingerprint == training.partitions[1].fingerprint
    assert [pin["ds"] for pin in scoring.details["inputs"]] == list(DAYS)
    assert _rows(spark, features) == by_training


def _rows(spark: SparkSession, features: Table) -> list[tuple[object, ...]]:
    return sorted(tuple(row) for row in features.read(spark, DAYS).collect())


def test_windows_reach_over_midnight(
    spark: SparkSession, transactions: Table, features: Table, pins: list[Partition]
) -> None:
    outcome = engineer(transactions, features, pins).run(spark)
    assert outcome.rows == Rows(taken=sum(pin.rows for pin in pins), given=sum(pin.rows for pin in pins))
    first = features.read(spark, DAYS[1:]).orderBy("time_s").first()
    assert first is not None
    times = [row["time_s"] for row in transactions.read(spark, DAYS).collect()]
    second = first["time_s"]
    assert first["count_1d"] == sum(second - 86400 <= time < second for time in times) > 1000


def test_features_have_no_null_and_no_nan(
    spark: SparkSession, transactions: Table, features: Table, pins: list[Partition]
) -> None:
    engineer(transactions, features, pins).run(spark)
    bad = [F.sum((F.col(name).isNull() | F.isnan(name)).cast("int")).alias(name) for name in columns.FEATURES]
    (counted,) = features.read(spark, DAYS).agg(*bad).collect()
    assert set(counted.asDict().values()) == {0}


def test_input_of_a_superseded_run_is_refused(
    spark: SparkSession, landing: Path, transactions: Table, quarantine: Table, features: Table, pins: list[Partition]
) -> None:
    file = landing / f"fraud/ds={DAYS[1]}" / "transactions.csv"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:500]))
    ingest(DAYS[1], landing, transactions, quarantine).run(spark)
    with pytest.raises(Superseded, match="superseded by run run-1"):
        engineer(transactions, features, pins).run(spark)


def test_engineer_needs_inputs(transactions: Table, features: Table) -> None:
    with pytest.raises(ValueError, match="at least one partition"):
        engineer(transactions, features, [])
