"""The DAG files read as Airflow reads them, in a process of its own with an empty Airflow home."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from apps.fraud.recipe import STEPS as FRAUD
from apps.handbook.recipe import STEPS as HANDBOOK
from apps.images.recipe import STEPS as IMAGES
from infra.airflow.service import REPOSITORY
from pipelines.runner.run import Stage

READ = """
import json, runpy, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from airflow.serialization.encoders import coerce_to_core_timetable
from airflow.timetables.base import DagRunInfo, TimeRestriction
sys.path.insert(0, str(Path(sys.argv[1]).parent))
asked = {"first_date": "2013-09-01", "last_date": "2013-09-03", "score_from": None, "score_to": "2013-09-02"}
now = datetime.now(UTC)
midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
def unpaused(dag, last):
    # the partitions of the runs that the scheduler makes at once, after a last one or as the first
    timetable, made = coerce_to_core_timetable(dag.timetable), []
    restriction = TimeRestriction(earliest=None, latest=None, catchup=dag.catchup)
    while (last := timetable.next_dagrun_info_v2(last_dagrun_info=last, restriction=restriction)) and last.run_after <= now:
        made.append(last.partition_key)
    return made
def told(dag):
    def said(task, **context):
        try:
            return dag.get_task(task).python_callable(**context)
        except Exception as refused:
            return [type(refused).__name__, str(refused)]
    def settled(week, first, last):
        run = SimpleNamespace(partition_key=week)
        given = dag.get_task("parameters").op_kwargs
        return said("parameters", **given, params={"first_date": first, "last_date": last}, dag_run=run)
    tasks = {
        task.task_id: {
            "upstream": sorted(task.get_flat_relative_ids(upstream=True)),
            "type": task.task_type,
            "pool": task.pool,
            "retries": task.retries,
            "timeout": task.execution_timeout and task.execution_timeout.total_seconds(),
            "is_teardown": task.is_teardown,
            "outlets": [asset.name for asset in task.outlets],
        }
        for task in dag.tasks
    }
    tried = {
        "week": settled("2013-09-02", None, None),
        "asked": settled(None, "2013-09-01", "2013-09-02"),
        "turned": settled(None, "2013-09-02", "2013-09-01"),
        "nothing": settled(None, None, None),
        "days": said("days", given=asked),
    } if "parameters" in tasks else {}
    deadline = dag.dagrun_timeout.total_seconds()
    week = midnight - timedelta(days=7)
    before = DagRunInfo(run_after=week, data_interval=None, partition_date=week, partition_key=str(week.date()))
    unpausing = {"first": unpaused(dag, None), "after a week": unpaused(dag, before)}
    unpausing |= {"beside": dag.max_active_runs, "yesterday": str((midnight - timedelta(days=1)).date())}
    params = {name: dag.params[name] for name in dag.params}
    return {"tasks": tasks, "deadline": deadline, "unpausing": unpausing, "params": params, "tried": tried}
found = {Path(file).stem: told(runpy.run_path(file)["dag"]) for file in sys.argv[1:]}
ours = sorted({name.partition(".")[0] for name in sys.modules} & {"apps", "pipelines", "dlcore", "features", "infra"})
print(json.dumps({"dags": found, "ours": ours}))
"""
KINDS = ("daily", "training")


@cache
def _read(home: Path) -> dict[str, Any]:
    """All DAG files, by one process, since Airflow takes long to import."""
    environment = os.environ | {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    files = [str(REPOSITORY / "dags" / f"{app}_{kind}.py") for app in RECIPES for kind in KINDS]
    command = [sys.executable, "-c", READ, *files]
    said = subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, check=True).stdout
    return dict(json.loads(said.splitlines()[-1]))


RECIPES = {"fraud": FRAUD, "handbook": HANDBOOK, "images": IMAGES}


@pytest.fixture(params=[(app, kind) for app in RECIPES for kind in KINDS], ids="_".join)
def which(request: pytest.FixtureRequest) -> tuple[str, str]:
    """An app, and a kind of its DAGs."""
    app, kind = request.param
    return app, kind


@pytest.fixture
def read(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return _read(tmp_path_factory.getbasetemp())


@pytest.fixture
def dag(which: tuple[str, str], read: dict[str, Any]) -> dict[str, Any]:
    return dict(read["dags"]["_".join(which)])


@pytest.fixture
def recipe(which: tuple[str, str]) -> Mapping[str, Stage]:
    return RECIPES[which[0]]


def steps(dag: dict[str, Any]) -> dict[str, Any]:
    return {name: task for name, task in dag["tasks"].items() if task["type"] == "Step"}


def test_reading_them_imports_nothing_of_ours(read: dict[str, Any]) -> None:
    assert read["ours"] == []


def test_its_steps_are_the_recipes_and_each_is_tried_again(dag: dict[str, Any], recipe: Mapping[str, Stage]) -> None:
    assert steps(dag).keys() <= recipe.keys()
    assert all(task["retries"] == 2 for task in steps(dag).values())
    assert all(task["timeout"] < dag["deadline"] for task in steps(dag).values())


def test_the_run_that_unpausing_makes_holds_up_no_run_by_hand(which: tuple[str, str], dag: dict[str, Any]) -> None:
    """A paused DAG makes no run the first time, and later that of yesterday, beside which others run; a training waits for a week."""
    found = dag["unpausing"]
    assert found["first"] == []
    assert found["after a week"] == ([found["yesterday"]] if which[1] == "daily" else [])
    assert found["beside"] > len(found["after a week"])


def test_its_report_is_written_however_the_run_ends_and_turns_no_failed_run_green(dag: dict[str, Any]) -> None:
    """A teardown runs after what failed too, and is no leaf, by which a run's state is told."""
    assert [name for name, task in dag["tasks"].items() if task["is_teardown"]] == ["report"]


@pytest.mark.parametrize("app", RECIPES)
def test_together_they_run_every_step(app: str, read: dict[str, Any]) -> None:
    found = [steps(read["dags"][f"{app}_{kind}"]) for kind in KINDS]
    assert found[0].keys() | found[1].keys() == RECIPES[app].keys()


def test_steps_that_hold_the_metastore_take_turns(dag: dict[str, Any], recipe: Mapping[str, Stage]) -> None:
    assert {name: task["pool"] == "hive" for name, task in steps(dag).items()} == {
        name: recipe[name].session == "hive" for name in steps(dag)
    }


def test_a_step_comes_after_all_whose_outcomes_its_recipe_reads(
    dag: dict[str, Any], recipe: Mapping[str, Stage]
) -> None:
    for name, task in steps(dag).items():
        reads = {*recipe[name].reads, *recipe[name].may_read} & steps(dag).keys()
        assert reads <= set(task["upstream"]), name


def test_its_form_has_the_schemas_defaults(which: tuple[str, str], dag: dict[str, Any]) -> None:
    rules = json.loads((REPOSITORY / "apps" / which[0] / "params.json").read_text())[which[1]]
    assert dag["params"] == {name: rule["default"] for name, rule in rules.items()}


def test_a_whole_week_of_features_makes_a_training_and_the_days_asked_for_are_never_turned_round(
    read: dict[str, Any],
) -> None:
    tried = read["dags"]["fraud_training"]["tried"]
    assert tried["week"] == {"first_date": "2013-09-02", "last_date": "2013-09-08"}
    assert tried["asked"] == {"first_date": "2013-09-01", "last_date": "2013-09-02"}
    needs = "a training needs first_date and last_date in this order, got "
    assert tried["turned"] == ["AirflowFailException", f"{needs}2013-09-02 to 2013-09-01"]  # which is not tried again
    assert tried["nothing"] == ["AirflowFailException", f"{needs}None to None"]
    assert tried["days"] == ["2013-09-01", "2013-09-02"]


def test_where_labels_come_a_week_late_a_whole_week_makes_a_training_of_the_one_before(read: dict[str, Any]) -> None:
    tried = read["dags"]["handbook_training"]["tried"]
    assert tried["week"] == {"first_date": "2013-08-26", "last_date": "2013-09-01"}
    assert tried["asked"] == {"first_date": "2013-09-01", "last_date": "2013-09-02"}


@pytest.mark.parametrize(("app", "made"), [("fraud", "engineer"), ("handbook", "engineer"), ("images", "prepare")])
def test_what_a_day_has_and_a_champion_are_assets(app: str, made: str, read: dict[str, Any]) -> None:
    daily, training = (read["dags"][f"{app}_{kind}"]["tasks"] for kind in KINDS)
    left = [{name: task["outlets"] for name, task in tasks.items() if task["outlets"]} for tasks in (daily, training)]
    assert left == [{made: [f"{app}.features"]}, {"publish": [f"{app}.champion"]}]
