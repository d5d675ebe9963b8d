"""An application whose labels come later, in a table of their own: a training pins and joins them, nothing else asks for any."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import DoubleType, IntegerType, LongType, StringType, StructField, StructType

from apps.fraud.recipe import FRAUD
from infra.tables.hive import Table
from pipelines import outcome
from pipelines.binary.frames.split import Frames
from pipelines.binary.score import Score
from pipelines.binary.stages import Steps
from pipelines.binary.tabular import Files, Tabular
from pipelines.dated.labels import Labels
from pipelines.dated.stale import source_key
from pipelines.outcome import Outcome, Rows
from pipelines.runner.perform import write
from pipelines.runner.run import Run
from tests.pipelines import frames
from tests.pipelines.runner.test_run import run

DAYS = ("2013-09-01", "2013-09-02")
KEY = [StructField("source_file", StringType()), StructField("source_line", LongType())]
NUMBERS = [
    StructField("time_s", LongType()),
    *[StructField(name, DoubleType()) for name in ("amount", *frames.FEATURES)],
]
LABEL = [StructField("file", StringType()), StructField("line", LongType()), StructField("fraud", IntegerType())]


@pytest.fixture
def app(database: str) -> Tabular:
    """Fraud with other tables, of which only that of labels says what is a fraud."""
    rows, features, labels = (
        Table(database=database, name=name, schema=StructType(fields), version=1)
        for name, fields in (("rows", KEY + NUMBERS), ("features", KEY + NUMBERS), ("labels", LABEL))
    )
    return replace(
        FRAUD,
        source=Files(header={"Amount": "amount"}, rules=lambda ds: {}),
        rows=rows,
        features=features,
        roles=frames.ROLES,
        model_features=frames.FEATURES,
        labels=Labels(table=labels, label="fraud", on={"source_file": "file", "source_line": "line"}),
    )


def engineered(spark: SparkSession, app: Tabular, ds: str, rows: pd.DataFrame) -> None:
    """A day's rows, and features made from them."""
    frame = spark.createDataFrame(rows.drop(columns="fraud"))
    made_of = app.rows.stage(spark, frame, ds=ds, run="r").commit()
    inputs = {source_key(app.rows, ds): made_of.fingerprint}
    app.features.stage(spark, frame, ds=ds, run="r", inputs=inputs).commit()


def known(spark: SparkSession, rows: pd.DataFrame) -> DataFrame:
    """What is known of some rows by now, and of one that never came."""
    named = {"source_file": "file", "source_line": "line"}
    found = rows[[*named, "fraud"]].rename(columns=named)
    never = pd.DataFrame({"file": ["b.csv"], "line": [7], "fraud": [1]})
    return spark.createDataFrame(pd.concat([found, never]), StructType(LABEL))


def done(spark: SparkSession, app: Tabular, found: Run, step: str) -> Outcome:
    """A step as it is run: built from the outcomes before it, its own left for those after it."""
    left: Outcome = getattr(Steps(app=app), step)(found).run(spark)
    write(outcome.file(found.folder, step), left.to_json())
    return left


def test_a_training_takes_the_rows_that_had_a_label_when_it_pinned_them(
    spark: SparkSession, app: Tabular, tmp_path: Path
) -> None:
    rows, labels = frames.rows(2000), app.labels
    assert labels is not None
    begun = run(tmp_path, first_date=DAYS[0], last_date=DAYS[1])
    for ds, day in zip(DAYS, (rows[:1200], rows[1200:]), strict=True):
        engineered(spark, app, ds, day)
    with pytest.raises(LookupError, match=f"{labels.table} has no labels of {DAYS[0]}, {DAYS[1]}; ingest these dates'"):
        done(spark, app, begun, "pin")
    unsure = known(spark, rows[:1100]).union(spark.createDataFrame([("a.csv", 1102, None)], StructType(LABEL)))
    labels.table.stage(spark, unsure, ds=DAYS[0], run="r").commit()
    with pytest.raises(LookupError, match=f"has no labels of {DAYS[1]}; ingest these dates'"):
        done(spark, app, begun, "pin")
    labels.table.stage(spark, known(spark, rows[1200:1900]), ds=DAYS[1], run="r").commit()
    pinned = done(spark, app, begun, "pin")
    assert pinned.rows == Rows(taken=2000, given=2000)
    assert [each.table for each in pinned.partitions] == [str(app.features)] * 2 + [str(labels.table)] * 2
    labels.table.stage(spark, known(spark, rows[1200:]), ds=DAYS[1], run="later").commit()
    split = done(spark, app, begun, "split")
    assert split.rows == Rows(taken=2000, given=1800, left_out=200)
    assert split.metrics["unlabelled_rows"] == 200 and "200 rows without a label yet left out" in split.summary
    left = split.left(Frames)
    written = pd.concat([pd.read_parquet(left.path(part)) for part in left.parts]).set_index("source_line")["fraud"]
    expected = pd.concat([rows[:1100], rows[1200:1900]]).set_index("source_line")["fraud"]
    assert written.sort_index().to_dict() == expected.to_dict()
    assert "fraud" not in left.sources


def test_scoring_takes_the_pinned_features_and_no_label(spark: SparkSession, app: Tabular, tmp_path: Path) -> None:
    begun = replace(run(tmp_path), ds=DAYS[0])
    rows = frames.rows(300)
    engineered(spark, app, DAYS[0], rows)
    assert app.labels is not None
    app.labels.table.stage(spark, known(spark, rows), ds=DAYS[0], run="r").commit()
    done(spark, app, begun, "pin")
    step = Steps(app=app).score(begun)
    assert isinstance(step, Score) and step.partition == app.features.current(spark, DAYS[0])
    assert step.scores.schema.names == ["source_file", "source_line", "probability", "decision", "model_version"]


def test_two_labels_of_one_row_are_refused(spark: SparkSession, app: Tabular, tmp_path: Path) -> None:
    rows, begun = frames.rows(300, frauds=30), replace(run(tmp_path), ds=DAYS[0])
    engineered(spark, app, DAYS[0], rows)
    assert app.labels is not None
    twice = known(spark, rows).union(known(spark, rows[5:6]).where("file = 'a.csv'"))
    app.labels.table.stage(spark, twice, ds=DAYS[0], run="r").commit()
    done(spark, app, begun, "pin")
    with pytest.raises(ValueError, match="has more than one label of 1 rows"):
        done(spark, app, begun, "split")


def test_a_label_stands_in_one_place_under_one_name(app: Tabular) -> None:
    with pytest.raises(ValueError, match=r"labels must have the label of roles, chargeback, got fraud of .*labels"):
        replace(app, roles=replace(frames.ROLES, label="chargeback"))
    labelled = replace(app.features, schema=StructType([*app.features.schema, LABEL[-1]]))
    with pytest.raises(ValueError, match=r"fraud comes from .*labels and must be no column of .*features too"):
        replace(app, features=labelled)
    with pytest.raises(ValueError, match=r"must have the columns of roles and model_features, lacking \['fraud'\]"):
        replace(app, labels=None)
    assert app.labels is not None
    with pytest.raises(ValueError, match=r"must have the columns of .*labels.*, lacking \['card'\]"):
        replace(app, labels=replace(app.labels, on={"card": "line"}))
