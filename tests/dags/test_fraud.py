"""The DAG file read as Airflow reads it, in a process of its own with an empty Airflow home."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from apps.fraud.recipe import STEPS
from infra.airflow.service import REPOSITORY

READ = """
import json, runpy, sys
dag = runpy.run_path(sys.argv[1])["dag"]
tasks = {
    task.task_id: {
        "upstream": sorted(task.upstream_task_ids),
        "type": task.task_type,
        "pool": task.pool,
        "retries": task.retries,
        "arguments": [str(one) for one in getattr(task, "application_args", [])],
    }
    for task in dag.tasks
}
def run_dates(first, last):
    try:
        return dag.get_task("dates").python_callable(params={"first_date": first, "last_date": last})
    except Exception as refused:
        return [type(refused).__name__, str(refused)]
dates = [run_dates("2013-09-01", None), run_dates("2013-09-02", "2013-09-01")]
ours = sorted({name.partition(".")[0] for name in sys.modules} & {"apps", "pipelines", "dlcore", "features", "infra"})
params = {name: dag.params[name] for name in dag.params}
print(json.dumps({"tasks": tasks, "ours": ours, "params": params, "dates": dates}))
"""


@cache
def _read(home: Path) -> dict[str, Any]:
    environment = os.environ | {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    command = [sys.executable, "-c", READ, str(REPOSITORY / "dags" / "fraud.py")]
    said = subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, check=True).stdout
    return dict(json.loads(said.splitlines()[-1]))


@pytest.fixture
def dag(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return _read(tmp_path_factory.getbasetemp())


@pytest.fixture
def steps(dag: dict[str, Any]) -> dict[str, Any]:
    return {name: task for name, task in dag["tasks"].items() if task["type"] == "SparkSubmitOperator"}


def test_reading_it_imports_nothing_of_ours(dag: dict[str, Any]) -> None:
    assert dag["ours"] == []


def test_its_steps_are_the_recipes_steps_and_each_is_tried_again(steps: dict[str, Any]) -> None:
    assert steps.keys() == STEPS.keys()
    assert all(task["retries"] == 2 for task in steps.values())


def test_steps_that_hold_the_metastore_take_turns(steps: dict[str, Any]) -> None:
    turns = {name for name, task in steps.items() if task["pool"] == "hive"}
    assert turns == {"ingest", "features", "score"}
    assert all(task["pool"] == "spark" for name, task in steps.items() if name not in turns)


def test_its_form_has_the_schemas_defaults(dag: dict[str, Any]) -> None:
    rules = json.loads((REPOSITORY / "apps" / "fraud" / "params.json").read_text())
    assert dag["params"] == {name: rule["default"] for name, rule in rules.items()}


def test_its_dates_go_to_the_archives_end_and_are_never_turned_round(dag: dict[str, Any]) -> None:
    turned = "last_date must not be before first_date, got 2013-09-02 to 2013-09-01"
    assert dag["dates"] == [["2013-09-01", "2013-09-02"], ["AirflowFailException", turned]]  # which is not tried again


@pytest.mark.parametrize(
    ("step", "needs"),
    [
        ("features", "ingest"),
        ("split", "features"),
        ("search", "split"),
        ("train", "search"),
        ("train", "split"),
        ("baselines", "split"),
        ("evaluate", "train"),
        ("evaluate", "baselines"),
        ("publish", "evaluate"),
        ("score", "publish"),
        ("report", "score"),
    ],
)
def test_arrows(steps: dict[str, Any], step: str, needs: str) -> None:
    assert needs in steps[step]["upstream"]
