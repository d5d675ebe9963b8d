"""An Airflow for the whole test session, over a sample of the real transactions and with a run that is quick by default."""

import csv
import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest

from infra.airflow.client import Airflow
from infra.airflow.follow import follower
from infra.airflow.service import REPOSITORY, Service
from infra.settings import Settings, load

T = TypeVar("T")
APP = "fraud"
DAILY, TRAINING = f"{APP}_daily", f"{APP}_training"
DAY = "2013-09-01"
QUICK = {"first_date": DAY, "last_date": DAY, "members": 1, "epochs": 1, "workers": 1}
EVERY = 25  # of the normal rows; all frauds are kept
RUNNING: list[Service] = []
"""Airflows that a fixture started."""


@dataclass(frozen=True)
class Stand:
    """A running Airflow, what it was started with, and how to follow its runs."""

    service: Service
    airflow: Airflow

    @property
    def settings(self) -> Settings:
        return self.service.settings

    def follow(self, dag: str, run: str) -> str:
        """Follow a run to its end, which comes within ten minutes on the slowest of machines."""
        return replace(follower(self.service, self.airflow, dag, run), patience_s=600).follow()

    def paused(self, dag: str, run: str, task: str) -> bool:
        """Whether a task waits for a person, and the scheduler has noted that: an answer before that is lost with the task's try."""
        noted = f"TaskInstance Finished: dag_id={dag}, task_id={task}, run_id={run},"
        waits = self.states(dag, run).get(task) == "awaiting_input"
        return waits and noted in self.service.log.read_text(errors="replace")

    def attempts(self, dag: str, run: str) -> dict[str, int]:
        """How often each task of a run was tried."""
        return {task["task_id"]: task["try_number"] for task in self.airflow.tasks(dag, run)}

    def states(self, dag: str, run: str) -> dict[str, str | None]:
        return {task["task_id"]: task["state"] for task in self.airflow.tasks(dag, run)}

    def outcome(self, dag: str, run: str, instance: str) -> dict[str, Any]:
        file = self.service.run_folder(dag, run) / "outcomes" / f"{instance}.json"
        return dict(json.loads(file.read_text()))

    def deliver(self, day: str, lines: Iterable[str]) -> None:
        """Land a file of a day, whole at once."""
        place = Path(self.settings.landing) / APP / f"ds={day}" / "transactions.csv"
        place.parent.mkdir(parents=True, exist_ok=True)
        aside = place.with_name(".transactions.csv")
        aside.write_text("".join(lines))
        aside.rename(place)


@pytest.fixture(scope="session")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """The DAG files of the repository in an Airflow of its own; no day has run yet."""
    home = tmp_path_factory.mktemp("stand")
    settings = load([f"state={home / 'state'}"])
    service = Service(settings=settings, dags=quick_dags(home))
    RUNNING.append(service)
    try:
        stand = Stand(service, service.start())
        stand.deliver(DAY, sample(Path(load().landing)))
        for dag in (DAILY, TRAINING):
            service.await_dag(stand.airflow, dag)
            stand.airflow.pause(dag, paused=False)
        yield stand
    finally:
        service.stop()


def sample(landing: Path) -> Iterator[str]:
    """One day's frauds and every so many of its normal rows, each line untouched."""
    with (landing / APP / f"ds={DAY}" / "transactions.csv").open() as lines:
        for number, line in enumerate(lines):
            if number == 0 or number % EVERY == 0 or next(csv.reader([line]))[-1] == "1":
                yield line


def quick_dags(home: Path) -> Path:
    """Lay out the DAG files with a schema beside them whose defaults make a run quick; the steps are the repository's."""
    schema = json.loads((REPOSITORY / "apps" / APP / "params.json").read_text())
    for rules in schema.values():
        rules |= {name: rule | {"default": QUICK.get(name, rule["default"])} for name, rule in rules.items()}
    (home / "apps" / APP).mkdir(parents=True)
    (home / "apps" / APP / "params.json").write_text(json.dumps(schema))
    (home / "apps" / "__main__.py").symlink_to(REPOSITORY / "apps" / "__main__.py")
    (home / "dags").mkdir()
    for file in (REPOSITORY / "dags" / "steps.py", *(REPOSITORY / "dags").glob(f"{APP}_*.py")):
        shutil.copy(file, home / "dags")
    return home / "dags"


def wait_for(look: Callable[[], T], *, patience_s: float = 1200.0) -> T:
    """What ``look`` finds, as soon as it finds something."""
    deadline = time.monotonic() + patience_s
    while not (found := look()):
        assert time.monotonic() < deadline, f"nothing was found within {patience_s:.0f} s"
        time.sleep(0.5)
    return found


def processes_of(dag: str, run: str) -> list[psutil.Process]:
    """Every process that was started for a run: its submitting JVMs, drivers and Python workers."""
    name = f"{dag}.{run}"
    return [process for process in psutil.process_iter() if _environment(process).get("EMBERLINE_RUN") == name]


def drivers(run: str, step: str) -> list[psutil.Process]:
    """The Python driver of a training's step that runs now, once its JVM has Python workers too."""
    found = [one for one in processes_of(TRAINING, run) if f"apps/__main__.py {APP} {step}" in _command(one)]
    return [
        one for one in found if "python" in one.name() and any("pyspark.daemon" in _command(p) for p in _beside(one))
    ]


def _beside(process: psutil.Process) -> list[psutil.Process]:
    """Everything that the parent of a process started."""
    parent = process.parent()
    return parent.children(recursive=True) if parent else []


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return {}


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""
