"""``apps new``: an application of a CSV file, made, linted, run whole and removed; and what it refuses, with a sentence each."""

import importlib
import json
import shutil
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

from apps.__main__ import APPS, main
from apps.new.command import REPOSITORY
from infra.settings import Settings
from pipelines import outcome
from pipelines.outcome import Outcome
from pipelines.publish import Published
from pipelines.runner import params
from pipelines.runner.perform import write
from pipelines.runner.run import Run

APP = "made_by_a_test"
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
    df["mean texture"] = df["mean texture"].where(chance.random(len(df)) > 0.1)
    df["seen on"] = pd.Timestamp("2024-03-04 08:00") + pd.to_timedelta(np.arange(len(df)) * 3, "min")
    df.insert(0, "id", range(1, len(df) + 1))
    return df.assign(malignant=np.where(found.target == 0, "yes", "no"))


def of_the_app() -> list[str]:
    """Every file that is there of the app."""
    folders = [REPOSITORY / "apps" / APP, REPOSITORY / "tests" / "apps" / APP]
    found = [
        file for folder in folders for file in folder.rglob("*") if "__pycache__" not in file.parts and file.is_file()
    ]
    return sorted(str(file.relative_to(REPOSITORY)) for file in [*found, *(REPOSITORY / "dags").glob(f"{APP}_*.py")])


def remove() -> None:
    for file in of_the_app():
        (REPOSITORY / file).unlink()
    for folder in (REPOSITORY / "apps" / APP, REPOSITORY / "tests" / "apps" / APP):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state folder of which the command line knows."""
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("EMBERLINE_STATE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def file(state: Path) -> Path:
    cells().to_csv(state / "cells.csv", index=False, na_rep="NA")
    return state / "cells.csv"


@pytest.fixture(scope="module")
def made(file: Path) -> Iterator[None]:
    remove()
    main(["new", APP, "--from", str(file), "--label", "malignant", "--time", "seen on"])
    yield
    remove()


@pytest.mark.usefixtures("made")
def test_it_is_exactly_these_files_and_lint_and_types_are_clean() -> None:
    assert of_the_app() == sorted(FILES)
    python = [file for file in FILES if file.endswith(".py")]
    for tool in (["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]):
        done = subprocess.run([sys.executable, "-m", *tool, *python], cwd=REPOSITORY, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.usefixtures("made")
def test_its_own_tests_pass() -> None:
    command = [sys.executable, "-m", "pytest", "-q", f"tests/apps/{APP}"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.usefixtures("made")
def test_the_file_landed_by_day_and_lands_once(state: Path, file: Path) -> None:
    data = importlib.import_module(f"apps.{APP}.data")
    landed = {
        folder.name: len((folder / "rows.csv").read_text().splitlines()) - 1
        for folder in (state / "landing" / APP).iterdir()
    }
    assert list(landed) and {f"ds={ds}" for ds in DAYS} == set(landed) and sum(landed.values()) == len(cells())
    assert data.landed(state / "landing")


@pytest.fixture(scope="module")
def ran(made: None, spark: SparkSession, settings: Settings, state: Path) -> Run:
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
    plan += [("evaluate", [{}]), ("publish", [{}]), ("score", days), ("report", [{}])]
    for name, changes in plan:
        for change in changes:
            perform(spark, replace(run, **change), name)
    return run


def perform(spark: SparkSession, run: Run, name: str) -> None:
    stage = importlib.import_module(f"apps.{APP}.recipe").STEPS[name]
    step = stage.build(replace(run, reads=frozenset((*stage.reads, *stage.may_read))))
    found: Outcome = step.run(None if stage.session == "none" else spark)
    write(outcome.file(run.folder, stage.instance(name, run)), found.to_json())


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


@pytest.mark.usefixtures("made")
def test_its_form_has_the_parameters_that_every_training_reads() -> None:
    fraud, own = (json.loads((APPS / app / "params.json").read_text()) for app in ("fraud", APP))
    assert {kind: list(rules) for kind, rules in own.items()} == {kind: list(rules) for kind, rules in fraud.items()}


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


@pytest.mark.usefixtures("made")
def test_what_is_there_is_never_overwritten(file: Path) -> None:
    before = {name: (REPOSITORY / name).read_bytes() for name in FILES}
    refused(["new", APP, "--from", str(file), "--label", "malignant"], f"there is an app named '{APP}' already")
    assert {name: (REPOSITORY / name).read_bytes() for name in FILES} == before


def refused(argv: list[str], sentence: str) -> None:
    with pytest.raises(SystemExit, match=sentence):
        main(argv)
    assert not (APPS / "free").exists()
