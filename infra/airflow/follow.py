"""Follow one run of a DAG, and say each step as it starts and ends: how long it took and what it did."""

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import httpx

from infra.airflow.client import Airflow, Json
from infra.airflow.results import read, sentence
from infra.airflow.service import Service

Key = tuple[str, int]

PATIENCE = 10  # questions in a row that may stay without an answer
RUN_ENDED = {"success", "failed"}


@dataclass(frozen=True)
class Moment:
    """What is known of one task instance at one time; a change of it is worth a line."""

    state: str | None
    attempt: int


@dataclass(kw_only=True)
class Follower:
    """One run, followed by asking Airflow every ``interval_s``; ``outcomes`` is where its steps leave what they did.

    A run that has not ended within ``patience_s`` is no longer followed: a TimeoutError says what its tasks were at.
    """

    airflow: Airflow
    dag: str
    run: str
    outcomes: Path
    logs: Path
    interval_s: float = 1.0
    patience_s: float = math.inf
    say: Callable[[str], None] = print
    seen: dict[Key, Moment] = field(default_factory=dict)
    labels: dict[Key, str] = field(default_factory=dict)

    def follow(self) -> str:
        """Print lines until the run ends; return its state."""
        deadline = time.monotonic() + self.patience_s
        while True:
            state, tasks = self.look()
            for line in self.news(tasks):
                self.say(f"{datetime.now():%H:%M:%S}  {line}")
            if state in RUN_ENDED:
                return state
            if time.monotonic() > deadline:
                at = ", ".join(f"{task['task_id']} {task['state']}" for task in tasks if task["state"] != "success")
                raise TimeoutError(
                    f"run {self.run} of {self.dag} did not end within {self.patience_s:.0f} s; its tasks: {at}"
                )
            time.sleep(self.interval_s)

    def look(self) -> tuple[str, list[Json]]:
        """The run's state and then its tasks; an Airflow too busy to answer in time is asked again."""
        for _ in range(PATIENCE - 1):
            with suppress(httpx.TransportError):
                return str(self.airflow.run(self.dag, self.run)["state"]), self.airflow.tasks(self.dag, self.run)
            time.sleep(self.interval_s)
        return str(self.airflow.run(self.dag, self.run)["state"]), self.airflow.tasks(self.dag, self.run)

    def news(self, tasks: list[Json]) -> Iterator[str]:
        """A line for each step that changed since the last look."""
        for task in sorted(tasks, key=lambda one: one["start_date"] or "9"):
            key, now = (task["task_id"], task["map_index"]), Moment(task["state"], task["try_number"])
            label = task["rendered_map_index"]
            if label and label != str(task["map_index"]):  # Airflow shows the bare index until the label is known
                self.labels[key] = label
            nameless = now.state == "running" and task["map_index"] >= 0 and key not in self.labels
            if now != self.seen.get(key) and not nameless:
                self.seen[key] = now
                yield from self.line(task, now, self.instance(key))

    def instance(self, key: Key) -> str:
        """A step's name as its outcome is named: ``train@003``, ``ingest@2013-09-01`` of a run of one day, or ``split``."""
        name, index = key
        if index >= 0:
            return f"{name}@{self.labels.get(key, index)}"
        left = [file.stem for file in self.outcomes.glob(f"{name}@*.json")]
        return left[0] if len(left) == 1 else name

    def line(self, task: Json, now: Moment, name: str) -> Iterator[str]:
        if now.state == "running":
            yield f"{name:<24} started" + (f", attempt {now.attempt}" if now.attempt > 1 else "")
        elif now.state == "success":
            did = sentence(self.outcomes, name) or ""
            yield f"{name:<24} done in {task['duration']:6.1f} s   {did}".rstrip()
        elif now.state == "skipped" and task["map_index"] < 0:
            yield f"{name:<24} skipped"
        elif now.state in ("failed", "up_for_retry"):
            again = ", will be tried again" if now.state == "up_for_retry" else ""
            yield f"{name:<24} FAILED{again}: {self.reason(task, name)}"

    def reason(self, task: Json, name: str) -> str:
        """The step's own sentence of its failure, else the error that Airflow saw, and where the log is."""
        outcome = read(self.outcomes, name)
        why = (outcome or {}).get("failed") or raised(self.log(task)) or "it left no sentence of its own"
        return f"{why}\n{'':34}log: {self.log(task)}"

    def log(self, task: Json) -> Path:
        place = self.logs / f"dag_id={self.dag}" / f"run_id={self.run}" / f"task_id={task['task_id']}"
        mapped = place / f"map_index={task['map_index']}" if task["map_index"] >= 0 else place
        return mapped / f"attempt={task['try_number']}.log"


def raised(log: Path) -> str:
    """The error that ended a task by its log, one JSON object a line; an empty text where the log has none."""
    lines = log.read_text().splitlines() if log.exists() else []
    errors = [error for line in lines if "error_detail" in line for error in json.loads(line).get("error_detail", ())]
    return str(errors[0]["exc_value"] or errors[0]["exc_type"]) if errors else ""


def follower(service: Service, airflow: Airflow, dag: str, run: str) -> Follower:
    """A follower of a run of the embedded Airflow."""
    outcomes = service.run_folder(dag, run) / "outcomes"
    return Follower(airflow=airflow, dag=dag, run=run, outcomes=outcomes, logs=service.home / "logs")
