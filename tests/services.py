"""An Airflow for the whole test session, over a sample of the real transactions and with a run that is quick by default."""

import csv
import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest

from infra.airflow.client import Airflow
from infra.airflow.follow import Follower
from infra.airflow.service import REPOSITORY, Service
from infra.settings import Settings, load

T = TypeVar("T")
DAG = "fraud"
DAY = "2013-09-02"
QUICK = {"first_date": DAY, "members": 1, "epochs": 1, "workers": 1}
EVERY = 25  # of the normal rows; all frauds are kept


@dataclass(frozen=True)
class Stand:
    """A running Airflow, what it was started with, and how to follow its runs."""

    service: Service
    airflow: Airflow

    @property
    def settings(self) -> Settings:
        return self.service.settings

    def follow(self, run: str) -> str:
        """Follow a run to its end."""
        outcomes = self.settings.run_folder(DAG, run) / "outcomes"
        follower = Follower(airflow=self.airflow, dag=DAG, run=run, outcomes=outcomes, logs=self.service.home / "logs")
        return follower.follow()

    def attempts(self, run: str) -> dict[str, int]:
        """How often each task of a run was tried."""
        return {task["task_id"]: task["try_number"] for task in self.airflow.tasks(DAG, run)}

    def outcome(self, run: str, instance: str) -> dict[str, Any]:
        file = self.settings.run_folder(DAG, run) / "outcomes" / f"{instance}.json"
        return dict(json.loads(file.read_text()))


@pytest.fixture(scope="session")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """The DAG file of the repository in an Airflow of its own; the DAG is still paused."""
    home = tmp_path_factory.mktemp("stand")
    settings = load([f"state={home / 'state'}"])
    sample(Path(load().landing), Path(settings.landing))
    service = Service(settings=settings, dags=quick_dags(home))
    try:
        airflow = service.start()
        service.await_dag(airflow, DAG)
        yield Stand(service, airflow)
    finally:
        service.stop()


def sample(source: Path, target: Path) -> None:
    """Take one day's frauds and every so many of its normal rows, each line untouched."""
    place = Path(DAG) / f"ds={DAY}" / "transactions.csv"
    (target / place).parent.mkdir(parents=True)
    with (source / place).open() as lines, (target / place).open("w") as kept:
        for number, line in enumerate(lines):
            if number == 0 or number % EVERY == 0 or next(csv.reader([line]))[-1] == "1":
                kept.write(line)


def quick_dags(home: Path) -> Path:
    """Lay out the DAG file with a schema beside it whose defaults make a run quick; the steps are the repository's."""
    schema = json.loads((REPOSITORY / "apps" / DAG / "params.json").read_text())
    rules = {name: rule | {"default": QUICK.get(name, rule["default"])} for name, rule in schema.items()}
    for folder in ("dags", f"apps/{DAG}"):
        (home / folder).mkdir(parents=True)
    (home / "apps" / DAG / "params.json").write_text(json.dumps(rules))
    (home / "apps" / "__main__.py").symlink_to(REPOSITORY / "apps" / "__main__.py")
    shutil.copy(REPOSITORY / "dags" / f"{DAG}.py", home / "dags")
    return home / "dags"


def wait_for(look: Callable[[], T], *, patience_s: float = 1200.0) -> T:
    """What ``look`` finds, as soon as it finds something."""
    deadline = time.monotonic() + patience_s
    while not (found := look()):
        assert time.monotonic() < deadline, f"nothing was found within {patience_s:.0f} s"
        time.sleep(0.2)
    return found


def processes_of(run: str) -> list[psutil.Process]:
    """Every process that was started for a run: its submitting JVMs, drivers and Python workers."""
    return [process for process in psutil.process_iter() if _environment(process).get("EMBERLINE_RUN") == run]


def drivers(run: str, step: str) -> list[psutil.Process]:
    """The Python driver of a step that runs now, once its JVM has Python workers too."""
    found = [one for one in processes_of(run) if f"apps/__main__.py {DAG} {step}" in _command(one)]
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
