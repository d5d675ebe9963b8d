"""``apps new``: an application of a CSV file, made, linted, run whole and removed; and what it refuses, with a sentence each."""

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession
from sklearn.datasets import load_breast_cancer

from apps.__main__ import APPS
from apps.new import other
from apps.new.command import REPOSITORY, arguments, of_other_table
from apps.new.profile import profile
from apps.new.proposal import propose
from infra.settings import Settings
from pipelines.outcome import Rows
from pipelines.publish import Published
from pipelines.runner import params
from pipelines.runner.run import Run
from tests.made import dag, lint, made, of_the_app, refused, remove, stages
from tests.steps import perform

APP, OTHER = "made_by_a_test", "made_of_a_table"
SCHEMA = "mean_radius double, mean_texture double, mean_perimeter double, mean_area double, mean_smoothness double, "
SCHEMA += "mean_compactness double, fee double, Clinic string, seen_on string, malignant string"
DAYS = ("2024-03-04", "2024-03-05")
FILES = [
    *[f"apps/{APP}/{name}" for name in ("README.md", "__init__.py", "columns.py", "data.py", "gates.py", "model.py")],
    *[f"apps/{APP}/{name}" for name in ("params.json", "preparation.py", "recipe.py")],
    *[f"dags/{APP}_{kind}.py" for kind in ("daily", "training")],
    f"tests/apps/{APP}/test_rows.py",
]


def cells() -> pd.DataFrame:
    """Real measurements of cells, with a text that tells something, holes, a time, and a label in words."""
    found, chance = load_breast_cancer(as_frame=True), np.random.default_rng(0)
    df = found.frame.iloc[:, :6].copy()
    clinics = np.where(df["mean radius"] > 14, "East, upper", 'North "B"')
    df["Clinic"] = pd.Series(np.where(chance.random(len(df)) > 0.5, clinics, "West")).where(
        chance.random(len(df)) > 0.05
    )
    df["fee"] = np.exp(3 * chance.standard_normal(len(df))).round(2)
    df["mean texture"] = df["mean texture"].where(chance.random(len(df)) > 0.1)
    df["seen on"] = pd.Timestamp("2024-03-04 08:00") + pd.to_timedelta(np.arange(len(df)) * 3, "min")
    df.insert(0, "id", range(1, len(df) + 1))
    return df.assign(malignant=np.where(found.target == 0, "yes", "no"))


@pytest.fixture(scope="module")
def file(state: Path) -> Path:
    cells().to_csv(state / "cells.csv", index=False, na_rep="NA")
    return state / "cells.csv"


@pytest.fixture(scope="module")
def app(file: Path) -> Iterator[None]:
    with made(APP, "--from", str(file), "--label", "malignant", "--time", "seen on"):
        yield


@pytest.mark.usefixtures("app")
def test_it_is_exactly_these_files_and_lint_and_types_are_clean() -> None:
    assert of_the_app(APP) == sorted(FILES)
    lint([file for file in FILES if file.endswith(".py")])


@pytest.mark.usefixtures("app")
def test_its_own_tests_pass() -> None:
    command = [sys.executable, "-m", "pytest", "-q", f"tests/apps/{APP}"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.usefixtures("app")
def test_the_file_landed_by_day_and_lands_once(state: Path, file: Path) -> None:
    data = importlib.import_module(f"apps.{APP}.data")
    landed = {
        folder.name: len((folder / "rows.csv").read_text().splitlines()) - 1
        for folder in (state / "landing" / APP).iterdir()
    }
    assert list(landed) and {f"ds={ds}" for ds in DAYS} == set(landed) and sum(landed.values()) == len(cells())
    assert data.landed(state / "landing")


@pytest.fixture(scope="module")
def ran(app: None, spark: SparkSession, settings: Settings, state: Path) -> Run:
    """The whole application, each step as the command line would run it, in one session."""
    schema = params.schema(APPS / APP / "params.json")
    given = {"first_date": DAYS[0], "last_date": DAYS[-1], "members": 2}
    known = settings.model_copy(
        update={"landing": str(state / "landing"), "registry": str(state / "registry"), "state": state}
    )
    run = Run(app=APP, id="whole", ds=DAYS[0], member=0, params=params.validated(schema, given), settings=known)
    days: list[dict[str, Any]] = [{"ds": ds} for ds in DAYS]
    members: list[dict[str, Any]] = [{"member": member} for member in range(2)]
    plan: list[tuple[str, list[dict[str, Any]]]] = [
        ("ingest", days),
        ("engineer", days),
        ("pin", [{}]),
        ("split", [{}]),
        ("train", members),
        ("baselines", [{}]),
    ]
    plan += [("evaluate", [{}]), ("quantise", [{}]), ("publish", [{}]), ("score", days), ("report", [{}])]
    for name, changes in plan:
        for change in changes:
            perform(spark, replace(run, **change), name, stages(APP))
    return run


def test_it_runs_whole_and_tells_the_classes_apart(ran: Run, spark: SparkSession) -> None:
    rows = [ran.outcome("ingest", ds).rows for ds in DAYS]
    assert [found.quarantined for found in rows if found] == [0, 0]
    assert ran.outcome("evaluate").metrics["average_precision"] > 0.9
    assert ran.result("publish", Published).moved
    scores = spark.table(f"{APP}.scores")
    assert scores.count() == len(cells()) and scores.where("probability IS NULL").count() == 0
    assert "malignant" in (ran.settings.report_file(APP, "whole")).read_text()


def test_nulls_stay_null_in_rows_and_texts_keep_their_commas_and_quotation_marks(ran: Run, spark: SparkSession) -> None:
    rows, expected = spark.table(f"{APP}.rows"), cells()
    assert rows.where("mean_texture IS NULL").count() == expected["mean texture"].isna().sum()
    counted = {row["clinic"]: row["count"] for row in rows.groupBy("clinic").count().collect()}
    assert counted.pop(None) == expected["Clinic"].isna().sum()
    assert counted == expected["Clinic"].value_counts().to_dict()


@pytest.mark.usefixtures("app")
def test_its_form_has_the_parameters_that_every_training_reads() -> None:
    fraud, own = (json.loads((APPS / app / "params.json").read_text()) for app in ("fraud", APP))
    assert {kind: list(rules) for kind, rules in own.items()} == {kind: list(rules) for kind, rules in fraud.items()}


@pytest.mark.usefixtures("app")
def test_airflow_reads_its_dags_whose_steps_are_the_recipes(tmp_path: Path) -> None:
    steps: set[str] = set()
    for kind in ("daily", "training"):
        tasks = dag(APP, kind, tmp_path)["tasks"]
        steps |= {name for name, task in tasks.items() if task["type"] == "Step"}
    assert steps == stages(APP).keys()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ["Bad", "--label", "y"],
            "a name must be small letters, digits and _, begin with a letter and be free, got 'Bad'",
        ),
        (["../x", "--label", "y"], "a name must be small letters"),
        (["class", "--label", "y"], "a name must be small letters"),
        (["new", "--label", "y"], "a name must be small letters"),
        (["fraud", "--label", "y"], "there is an app named 'fraud' already, and nothing is overwritten"),
        (["free"], "--label must name the column to be foretold, got none"),
        (["free", "--label", "z"], "--label must name a column of .*, got 'z'; it has x, y, same, three, words"),
        (["free", "--label", "same"], "--label must name a column of two values, got 'same' with a constant"),
        (["free", "--label", "three"], "--label must name a column of two values, got 'three' with 3 different values"),
        (
            ["free", "--label", "y", "--positive", "maybe"],
            r"--positive must be one of the label's values .*, got 'maybe'",
        ),
        (["free", "--label", "y", "--time", "when"], "--time must name a column of .*, got 'when'"),
        (["free", "--label", "y", "--time", "words"], "--time must name a column of dates or times .*, got 'words'"),
        (["free", "--label", "y", "--day", "today"], "--day must be a date YYYY-MM-DD, got 'today'"),
    ],
)
def test_what_cannot_be_made_is_refused_with_a_sentence(tmp_path: Path, options: list[str], sentence: str) -> None:
    file = tmp_path / "small.csv"
    file.write_text("x,y,same,three,words\n" + "".join(f"{n},{n % 2},1,{n % 3},a{n % 2}\n" for n in range(30)))
    refused(["new", *options, "--from", str(file)], sentence)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot be read as a CSV file in UTF-8: .*No such file"),
        (b"", "must begin with a header of two columns at least"),
        (b"\xff\xfe\x00", "cannot be read as a CSV file in UTF-8"),
        (b"x,y\n", "must have rows of 2 columns below its header, got none"),
        (b"x,x,y\n1,2,3\n", r"must name each column once, got \['x'\] several times"),
        (b'"a,b",y\n1,2\n', "must have titles without commas and quotation marks"),
    ],
)
def test_a_file_that_is_no_table_is_refused_with_a_sentence(
    tmp_path: Path, content: bytes | None, sentence: str
) -> None:
    if content is not None:
        (tmp_path / "bad.csv").write_bytes(content)
    refused(["new", "free", "--from", str(tmp_path / "bad.csv"), "--label", "y"], sentence)


@pytest.mark.usefixtures("app")
def test_what_is_there_is_never_overwritten(file: Path) -> None:
    before = {name: (REPOSITORY / name).read_bytes() for name in FILES}
    refused(["new", APP, "--from", str(file), "--label", "malignant"], f"there is an app named '{APP}' already")
    assert {name: (REPOSITORY / name).read_bytes() for name in FILES} == before


@pytest.fixture(scope="module")
def other_made(spark: SparkSession) -> Iterator[None]:
    """An application of another team's table, partitioned by days."""
    rows = cells().drop(columns="id")
    rows["seen on"] = rows["seen on"].dt.strftime("%Y-%m-%d")
    named = rows.rename(columns=lambda name: name.replace(" ", "_"))
    spark.sql(f"CREATE DATABASE {OTHER}_source")
    named = named[[column.split()[0] for column in SCHEMA.split(", ")]]
    df = spark.createDataFrame(named.astype("object").where(named.notna(), None), SCHEMA)
    df.write.partitionBy("seen_on").saveAsTable(f"{OTHER}_source.cells")
    remove(OTHER)
    given = ["--from", f"{OTHER}_source.cells", "--label", "malignant"]
    try:
        found = other.profile(spark, f"{OTHER}_source.cells")
        print(of_other_table(arguments().parse_args([OTHER, *given]), found))
        yield
    finally:
        remove(OTHER)
        spark.sql(f"DROP DATABASE {OTHER}_source CASCADE")


@pytest.mark.usefixtures("other_made")
def test_another_teams_table_is_read_where_it_is(spark: SparkSession, settings: Settings, tmp_path: Path) -> None:
    assert f"apps/{OTHER}/data.py" not in of_the_app(OTHER) and f"apps/{OTHER}/recipe.py" in of_the_app(OTHER)
    lint([file for file in of_the_app(OTHER) if file.endswith(".py")])
    values = params.validated(params.schema(APPS / OTHER / "params.json"), {})
    run = Run(app=OTHER, id="other", ds=DAYS[0], member=0, params=values, settings=settings)
    for name in ("ingest", "engineer"):
        perform(spark, run, name, stages(OTHER))
    taken = spark.table(f"{OTHER}_source.cells").where(f"seen_on = '{DAYS[0]}'").count()
    assert run.outcome("engineer", DAYS[0]).rows == Rows(taken=taken, given=taken)


@pytest.mark.usefixtures("other_made")
def test_a_table_that_is_not_there_or_has_no_days_is_refused(spark: SparkSession) -> None:
    with pytest.raises(ValueError, match=f"and there is no table {OTHER}_source.none"):
        other.profile(spark, f"{OTHER}_source.none")
    spark.range(3).write.saveAsTable(f"{OTHER}_source.plain")
    with pytest.raises(ValueError, match="must be partitioned by one column of days, got no partitions"):
        other.profile(spark, f"{OTHER}_source.plain")


def test_days_without_rows_are_named_and_a_skewed_number_is_told(tmp_path: Path) -> None:
    rows = cells()
    rows["seen on"] = rows["seen on"].where(rows.index < 300, pd.Timestamp("2024-03-08")).dt.strftime("%d.%m.%Y")
    rows.to_csv(tmp_path / "cells.csv", index=False, sep=";")
    found = propose("cells", profile(tmp_path / "cells.csv"), label="malignant", time="seen on", positive="no", day="")
    assert found.days == (DAYS[0], "2024-03-08") and found.gaps == ("2024-03-05", "2024-03-06", "2024-03-07")
    assert found.moment == "try_to_timestamp(seen_on, 'd.M.yyyy')" and not found.dates
    assert [column.name for column in found.skewed] == ["fee"]
    assert [column.name for column in found.texts] == ["clinic"]
    assert (found.label.positive, found.left_out) == ("no", {"id": "it counts the rows"})
