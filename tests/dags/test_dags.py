"""The DAG files read as Airflow reads them, in a process of its own with an empty Airflow home."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from apps.fraud.recipe import STEPS
from apps.images.recipe import STEPS as IMAGES
from infra.airflow.service import REPOSITORY

READ = """
import json, runpy, sys
from pathlib import Path
from types import SimpleNamespace
sys.path.insert(0, str(Path(sys.argv[1]).parent))
dag = runpy.run_path(sys.argv[1])["dag"]
tasks = {
    task.task_id: {
        "upstream": sorted(task.get_flat_relative_ids(upstream=True)),
        "type": task.task_type,
        "pool": task.pool,
        "retries": task.retries,
        "outlets": [asset.name for asset in task.outlets],
    }
    for task in dag.tasks
}
def said(task, **context):
    try:
        return dag.get_task(task).python_callable(**context)
    except Exception as refused:
        return [type(refused).__name__, str(refused)]
def settled(week, first, last):
    return said("parameters", params={"first_date": first, "last_date": last}, dag_run=SimpleNamespace(partition_key=week))
asked = {"first_date": "2013-09-01", "last_date": "2013-09-03", "score_from": None, "score_to": "2013-09-02"}
tried = {
    "week": settled("2013-09-02", None, None),
    "asked": settled(None, "2013-09-01", "2013-09-02"),
    "turned": settled(None, "2013-09-02", "2013-09-01"),
    "nothing": settled(None, None, None),
    "days": said("days", given=asked),
} if "parameters" in tasks else {}
ours = sorted({name.partition(".")[0] for name in sys.modules} & {"apps", "pipelines", "dlcore", "features", "infra"})
params = {name: dag.params[name] for name in dag.params}
print(json.dumps({"tasks": tasks, "ours": ours, "params": params, "tried": tried}))
"""
KINDS = ("daily", "training")


@cache
def _read(kind: str, home: Path, app: str = "fraud") -> dict[str, Any]:
    environment = os.environ | {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    command = [sys.executable, "-c", READ, str(REPOSITORY / "dags" / f"{app}_{kind}.py")]
    said = subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, check=True).stdout
    return dict(json.loads(said.splitlines()[-1]))


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def dag(kind: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return _read(kind, tmp_path_factory.getbasetemp())


@pytest.fixture
def training(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return _read("training", tmp_path_factory.getbasetemp())


def steps(dag: dict[str, Any]) -> dict[str, Any]:
    return {name: task for name, task in dag["tasks"].items() if task["type"] == "SparkSubmitOperator"}


def test_reading_it_imports_nothing_of_ours(dag: dict[str, Any]) -> None:
    assert dag["ours"] == []


def test_its_steps_are_the_recipes_and_each_is_tried_again(dag: dict[str, Any]) -> None:
    assert steps(dag).keys() <= STEPS.keys()
    assert all(task["retries"] == 2 for task in steps(dag).values())


def test_together_they_run_every_step(tmp_path_factory: pytest.TempPathFactory) -> None:
    found = [steps(_read(kind, tmp_path_factory.getbasetemp())) for kind in KINDS]
    assert found[0].keys() | found[1].keys() == STEPS.keys()


def test_steps_that_hold_the_metastore_take_turns(dag: dict[str, Any]) -> None:
    assert {name: task["pool"] == "hive" for name, task in steps(dag).items()} == {
        name: STEPS[name].session == "hive" for name in steps(dag)
    }


def test_a_step_comes_after_all_whose_outcomes_its_recipe_reads(dag: dict[str, Any]) -> None:
    for name, task in steps(dag).items():
        reads = set(STEPS[name].reads) & steps(dag).keys()
        assert reads <= set(task["upstream"]), name


def test_its_form_has_the_schemas_defaults(kind: str, dag: dict[str, Any]) -> None:
    rules = json.loads((REPOSITORY / "apps" / "fraud" / "params.json").read_text())[kind]
    assert dag["params"] == {name: rule["default"] for name, rule in rules.items()}


def test_a_whole_week_of_features_makes_a_training_and_the_days_asked_for_are_never_turned_round(
    training: dict[str, Any],
) -> None:
    tried = training["tried"]
    assert tried["week"] == {"first_date": "2013-09-02", "last_date": "2013-09-08"}
    assert tried["asked"] == {"first_date": "2013-09-01", "last_date": "2013-09-02"}
    needs = "a training needs first_date and last_date in this order, got "
    assert tried["turned"] == ["AirflowFailException", f"{needs}2013-09-02 to 2013-09-01"]  # which is not tried again
    assert tried["nothing"] == ["AirflowFailException", f"{needs}None to None"]
    assert tried["days"] == ["2013-09-01", "2013-09-02"]


def test_a_days_features_and_a_champion_are_assets(tmp_path_factory: pytest.TempPathFactory) -> None:
    left: dict[str, list[str]] = {}
    for kind in KINDS:
        tasks = _read(kind, tmp_path_factory.getbasetemp())["tasks"]
        left |= {name: task["outlets"] for name, task in tasks.items() if task["outlets"]}
    assert left == {"engineer": ["fraud.features"], "publish": ["fraud.champion"]}


def test_a_day_of_pictures_runs_every_step_of_its_recipe_each_after_those_it_reads(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    found = _read("daily", tmp_path_factory.getbasetemp(), "images")
    assert found["ours"] == []
    assert {name: task["upstream"] for name, task in found["tasks"].items()} == {
        "landed": [],
        "load": ["landed"],
        "prepare": ["landed", "load"],
        "report": ["landed", "load", "prepare"],
    }
    assert steps(found).keys() == IMAGES.keys()
    assert {name for name, task in steps(found).items() if task["pool"] == "hive"} == {"load", "prepare"}
