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
    assert turns == {"ingest", "engineer", "pin", "score"}
    assert all(task["pool"] == "spark" for name, task in steps.items() if name not in turns)


def test_its_form_has_the_schemas_defaults(dag: dict[str, Any]) -> None:
    rules = json.loads((REPOSITORY / "apps" / "fraud" / "params.json").read_text())
    assert dag["params"] == {name: rule["default"] for name, rule in rules.items()}


def test_its_dates_go_to_the_archives_end_and_are_never_turned_round(dag: dict[str, Any]) -> None:
    turned = "last_date must not be before first_date, got 2013-09-02 to 2013-09-01"
    assert dag["dates"] == [["2013-09-01", "2013-09-02"], ["AirflowFailException", turned]]  # which is not tried again


def upstream(tasks: dict[str, Any], name: str) -> set[str]:
    """Every task that must have ended before this one."""
    direct = set(tasks[name]["upstream"])
    return direct | {each for before in direct for each in upstream(tasks, before)}


@pytest.mark.parametrize("step", STEPS)
def test_what_a_step_reads_comes_before_it(dag: dict[str, Any], step: str) -> None:
    """The arrows against what recipes read: their stages' own words, which the runner holds them to."""
    before = upstream(dag["tasks"], step)
    assert set(STEPS[step].reads) <= before
    assert set(STEPS[step].may_read) & dag["tasks"].keys() <= before


def test_a_day_is_whole_before_it_is_worked_on(dag: dict[str, Any]) -> None:
    assert "ingest" in upstream(dag["tasks"], "engineer") and "engineer" in upstream(dag["tasks"], "pin")
    assert upstream(dag["tasks"], "report") >= STEPS.keys() - {"report"}
