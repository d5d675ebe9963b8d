"""What every app's DAGs are made of: steps submitted to Spark, the wait for landing files, a human's approval.

Airflow knows names, arrows and the form's rules; what a step does is known by the app's command line alone.
"""

import json
import os
import re
from collections.abc import Callable
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.providers.smtp.notifications.smtp import SmtpNotifier
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.providers.standard.sensors.filesystem import FileSensor
from airflow.sdk import (
    DAG,
    Asset,
    BaseHook,
    CronPartitionTimetable,
    Param,
    PartitionedAssetTimetable,
    RollupMapper,
    StartOfWeekMapper,
    WeekWindow,
    task,
    task_group,
)
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

HOME = Path(__file__).resolve().parent.parent
DAY = "%Y-%m-%d"
RUN = "{{ dag.dag_id }}.{{ run_id }}"
BY = "{{ dag_run.triggering_user_name or dag_run.run_type }}"
RUNS_DAY = "{{ dag_run.partition_key }}"
PARAMETERS = "{{ (ti.xcom_pull(task_ids='parameters') or params) | tojson }}"
HIVE = {"pool": "hive"}  # steps that hold the metastore take turns; the others share pool `spark`
SPARK = "spark_default"
RETRIES = {"retries": 2, "retry_delay": timedelta(seconds=5), "retry_exponential_backoff": 12.0}  # 5 s, then a minute
STEP_TIMEOUT = timedelta(hours=12)
DEADLINE = timedelta(hours=36)  # of a run: a day's files may take twenty hours to come
MAIL_TO = os.environ.get("EMBERLINE_MAIL_TO", "")

REFUSED = re.compile(r"(?:Error code is: |exited with status |exit code is: )65\b")
"""A step refused what it was given (EX_DATAERR): said by spark-submit's own exit code, by YARN, or by Kubernetes."""
SENTENCE = re.compile(r" refused: (.*)")
SIGNALLED = re.compile(r"Error code is: (-\d+|1[3-9]\d)\b")
"""The submitting process ended by a signal, less than 0, or its driver did, 128 more than the signal."""


class Step(SparkSubmitOperator):
    """Submit a step. What it refuses fails at once, a fault is tried again; it ends with the process that submitted it."""

    def execute(self, context: Any) -> None:
        if BaseHook.get_connection(SPARK).extra_dejson.get("deploy-mode") != "cluster":
            # By this process's environment, which spark-submit inherits: on Kubernetes, env_vars reach the driver of a cluster alone.
            os.environ.update(self.env_vars or {}, EMBERLINE_SUBMITTER=str(os.getpid()))
        try:
            super().execute(context)
        except (AirflowException, RuntimeError) as error:
            raise told(str(error)) from error

    def on_kill(self) -> None:
        self.log.warning(
            "This task is ended from outside: it is cleared, marked, timed out or stopped. Its Spark ends too."
        )
        super().on_kill()


def told(error: str) -> AirflowException:
    """What a submission's error comes to: a refusal with the step's sentence, a kill by its signal, or the error itself."""
    if REFUSED.search(error):
        sentences = SENTENCE.findall(error)
        return AirflowFailException(f"refused: {sentences[-1] if sentences else 'its log says why'}")
    if killed := SIGNALLED.search(error):
        number = abs(int(killed[1])) % 128
        return AirflowException(f"the step was killed by signal {number}: it ran out of memory, or somebody ended it")
    return AirflowException(error)


class App:
    """One app's DAGs: ``daily`` takes a day in and scores it, ``training`` makes a model of a range of days.

    The features of a day are an asset whose partitions are days: a whole week of them makes a training. A new champion is an asset.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.features, self.champion = Asset(f"{name}.features"), Asset(f"{name}.champion")

    @cached_property
    def rules(self) -> dict[str, dict[str, Any]]:
        """The parameters' rules of each kind of DAG."""
        return dict(json.loads((HOME / "apps" / self.name / "params.json").read_text()))

    def daily(self, doc: str) -> DAG:
        """A run a day once it is over, whose partition is the day. Airflow's backfill makes those of earlier days.

        The first run is that of the day on which the DAG is unpaused: of a day before, only who asks for it knows that it has files.
        """
        never = timedelta(
            0
        )  # for so long after midnight a DAG without runs would begin with yesterday; False is 2.4 hours
        midnight = CronPartitionTimetable(
            "0 0 * * *", timezone="UTC", run_offset=-1, key_format=DAY, run_immediately=never
        )
        return self._dag("daily", midnight, doc, most=16)  # days wait for their files beside each other

    def training(self, doc: str) -> DAG:
        """A run for each week whose features are whole, or when asked for a range of days."""
        week = StartOfWeekMapper(input_format=DAY, output_format=DAY)
        whole_weeks = RollupMapper(upstream_mapper=week, window=WeekWindow())
        weekly = PartitionedAssetTimetable(self.features, default_partition_mapper=whole_weeks)
        return self._dag("training", weekly, doc, most=1)

    def _dag(self, kind: str, schedule: Any, doc: str, *, most: int) -> DAG:
        return DAG(
            dag_id=f"{self.name}_{kind}",
            schedule=schedule,
            catchup=False,
            max_active_runs=most,
            dagrun_timeout=DEADLINE,
            on_failure_callback=mail() if MAIL_TO else None,
            params={name: Param(**rule) for name, rule in self.rules[kind].items()},
            default_args=RETRIES,
            doc_md=doc,
            tags=["emberline", self.name],
        )

    def step(self, name: str, *options: Any, **rules: Any) -> Step:
        """Submit one step of the run; the rules are the operator's own, such as the pool whose slots it waits for."""
        run = ["--run", RUN, "--by", BY, "--params", PARAMETERS]
        return Step(
            task_id=name,
            name=f"{RUN} {name}",
            application=str(HOME / "apps" / "__main__.py"),
            application_args=[self.name, name, *run, *options],
            conn_id=SPARK,
            durable=False,  # a try does not take up the application of one before: it submits its own, which takes its turn
            env_vars={"EMBERLINE_RUN": RUN},
            execution_timeout=STEP_TIMEOUT,
            **{"pool": "spark", **rules},
        )

    def on_day(self, name: str, **rules: Any) -> Step:
        """A step on the day of a daily run."""
        return self.step(name, "--ds", RUNS_DAY, **{**HIVE, **rules})

    def each(self, name: str, option: str, values: Any, **rules: Any) -> Any:
        """A step for each of several days, or members by number."""

        @task_group(group_id=f"each_{name}", prefix_group_id=False)
        def one(value: str) -> None:
            self.step(name, option, value, map_index_template="{{ task.application_args[-1] }}", **rules)

        return one.expand(value=values)

    def landed(self, folder: str, *, deadline: timedelta = timedelta(hours=20)) -> FileSensor:
        """Wait, without a worker, for files of the run's day in ``folder`` of the landing folder."""
        return FileSensor(
            task_id="landed",
            fs_conn_id="landing",
            filepath=f"{folder}/ds={RUNS_DAY}/[!._]*",
            deferrable=True,
            poke_interval=30,
            timeout=deadline.total_seconds(),
            pre_execute=refuse_without_day,
        )


def mail() -> SmtpNotifier:
    """A letter to the setting ``mail_to`` for each run that fails or misses its deadline, by the connection ``smtp_default``."""
    place = f"{conf.get('api', 'base_url', fallback='')}/dags/{{{{ dag.dag_id }}}}/runs/{{{{ run_id | urlencode }}}}"
    return SmtpNotifier(
        to=MAIL_TO,
        subject="{{ dag.dag_id }} failed: {{ run_id }}",
        html_content="<p>Run {{ run_id | e }} of {{ dag.dag_id }} has failed: {{ reason }}.</p>"
        f"<p>Its report says at the top which step failed, and why: {place}</p>",
    )


def approval() -> ApprovalOperator:
    """A human's word before publishing, where the run's parameters ask for it; rejected, nothing is published."""
    return ApprovalOperator(
        task_id="approve",
        subject="Publish the model of {{ run_id }}?",
        body="The report so far and the figures stand in the logs of `evaluate` and `quantise`; a rejected model is not registered.",
        pre_execute=skip_unless("approval"),
    )


@task
def parameters(late_days: int = 0, **context: Any) -> dict[str, Any]:
    """The run's parameters with its range of days: those asked for, else the week that has become whole.

    Labels that come ``late_days`` after their rows are there of a week that lies as long before it.
    """
    given = dict(context["params"])
    week = context["dag_run"].partition_key
    if week:
        first = date.fromisoformat(week) - timedelta(days=late_days)
        given["first_date"] = given["first_date"] or str(first)
        given["last_date"] = given["last_date"] or str(first + timedelta(days=6))
    first, last = given["first_date"], given["last_date"]
    if not first or not last or last < first:
        raise AirflowFailException(f"a training needs first_date and last_date in this order, got {first} to {last}")
    return given


@task
def days(given: Any) -> list[str]:
    """Every day that the champion is to work on: those of the training, or those asked for."""
    first = date.fromisoformat(given.get("score_from") or given["first_date"])
    last = date.fromisoformat(given.get("score_to") or given["last_date"])
    return [str(first + timedelta(days=number)) for number in range((last - first).days + 1)]


@task
def members(given: Any) -> list[str]:
    """The ensemble's members, by number."""
    return [f"{member:03d}" for member in range(given["members"])]


def skip_unless(parameter: str) -> Callable[[Any], None]:
    """A task that runs only where a parameter of the run asks for it."""

    def skip(context: Any) -> None:
        if not context["params"][parameter]:
            raise AirflowSkipException(f"parameter {parameter} is off")

    return skip


def refuse_without_day(context: Any) -> None:
    """A run by hand must name its day, as its partition key."""
    key = context["dag_run"].partition_key
    try:
        date.fromisoformat(key or "")
    except ValueError:
        raise AirflowFailException(f"a daily run needs its day as partition key, YYYY-MM-DD, got {key!r}") from None
