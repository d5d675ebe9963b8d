"""The DAG `fraud`: card transactions from their landing folder to published scores and a report.

Each operator submits one step of the app's command line to Spark; Airflow knows names, arrows and the form's rules.
"""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import DAG, Param, task, task_group, timezone
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

HOME = Path(__file__).resolve().parent.parent
RULES = json.loads((HOME / "apps" / "fraud" / "params.json").read_text())
ARCHIVE_ENDS = timezone.parse("2013-09-02")
LAST_DATE = "{{ ti.xcom_pull(task_ids='dates')[-1] }}"
HIVE = {"pool": "hive"}  # steps that hold the metastore take turns; the others share pool `spark`
BY_DATE = {"map_index_template": "{{ ti.xcom_pull(task_ids='dates')[ti.map_index] }}"}
BY_MEMBER = {"map_index_template": "{{ '%03d' % ti.map_index }}"}


def step(name: str, *options: Any, ds: Any = LAST_DATE, **rules: Any) -> SparkSubmitOperator:
    """Submit one step of the run; the rules are the operator's own, such as the pool whose slots it waits for."""
    run = ["--run", "{{ run_id }}", "--by", "Airflow", "--ds", ds, "--params", "{{ params | tojson }}"]
    return SparkSubmitOperator(
        task_id=name,
        name="{{ run_id }} " + name,
        application=str(HOME / "apps" / "__main__.py"),
        application_args=["fraud", name, *run, *options],
        env_vars={"EMBERLINE_RUN": "{{ run_id }}"},
        **{"pool": "spark", **rules},
    )


def skip_unless_asked(context: Any) -> None:
    """Search runs only where the run's parameters ask for it."""
    if not context["params"]["search"]:
        raise AirflowSkipException("parameter search is off: members train with the given settings")


with DAG(
    dag_id="fraud",
    schedule="@daily",
    start_date=ARCHIVE_ENDS,
    catchup=False,
    max_active_runs=1,
    params={name: Param(**rule) for name, rule in RULES.items()},
    default_args={"retries": 2, "retry_delay": timedelta(seconds=5)},
    doc_md=__doc__,
    tags=["emberline"],
) as dag:

    @task
    def dates(**context: Any) -> list[str]:
        """Every date of the run; without a last date, to the run's own logical date, at most the archive's end."""
        params = context["params"]
        own = min(context.get("logical_date") or ARCHIVE_ENDS, ARCHIVE_ENDS).date()
        first = date.fromisoformat(params["first_date"])
        last = date.fromisoformat(params["last_date"]) if params["last_date"] else own
        if last < first:
            raise AirflowFailException(f"last_date must not be before first_date, got {first} to {last}")
        return [str(first + timedelta(days=day)) for day in range((last - first).days + 1)]

    @task
    def members(**context: Any) -> list[str]:
        """The ensemble's members, by number."""
        return [str(member) for member in range(context["params"]["members"])]

    @task_group(prefix_group_id=False)
    def ingested(ds: str) -> None:
        step("ingest", ds=ds, **HIVE, **BY_DATE)

    @task_group(prefix_group_id=False)
    def engineered(ds: str) -> None:
        step("engineer", ds=ds, **HIVE, **BY_DATE)

    @task_group(prefix_group_id=False)
    def trained(member: str) -> None:
        step("train", "--member", member, **BY_MEMBER, trigger_rule="none_failed")

    @task_group(prefix_group_id=False)
    def scored(ds: str) -> None:
        step("score", ds=ds, **HIVE, **BY_DATE)

    days = dates()
    split = step("split")
    search = step("search", pre_execute=skip_unless_asked)
    training = trained.expand(member=members())
    evaluate = step("evaluate")
    publish = step("publish")
    scoring = scored.expand(ds=days)

    (ingested.expand(ds=days) >> engineered.expand(ds=days) >> step("pin", **HIVE) >> split)
    split >> search >> training >> evaluate
    split >> [training, step("baselines")] >> evaluate
    evaluate >> publish >> scoring >> step("report", trigger_rule="none_failed")
