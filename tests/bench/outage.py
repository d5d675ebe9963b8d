"""What kills cost a run in a real Airflow: ``python -m tests.bench.outage``, some ten minutes.

The task that ingests a day is killed (kill -9), whose Spark application must end with it; then, while the next try works, every process
of the service is, and the service is started again. Each may cost the run one try.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from infra import processes
from infra.airflow.follow import follower
from infra.airflow.service import Service
from infra.settings import load
from tests.services import APP, DAILY, DAY, Stand, processes_of, quick_dags, sample, wait_for


def main() -> None:
    processes.end_as_by_ctrl_c()
    with tempfile.TemporaryDirectory() as folder:
        service = Service(settings=load([f"state={folder}/state"]), dags=quick_dags(Path(folder)))
        try:
            suffered(service)
        finally:
            service.stop()


def suffered(service: Service) -> None:
    """Let a daily run suffer both, and say what each cost."""
    stand = Stand(service, service.start())
    stand.deliver(DAY, sample(Path(load().landing)))
    service.await_dag(stand.airflow, DAILY)
    stand.airflow.pause(DAILY, paused=False)
    (run,) = stand.airflow.backfill(DAILY, first=DAY, last=DAY)

    submitting(run).parent().kill()  # type: ignore[union-attr]  # the task's own process
    said("its task killed, the step's Spark application ended", lambda: not processes_of(DAILY, run))
    submitting(run)
    for process in processes.session_members(service.leader or 0):
        process.kill()
    said("everything killed, no process was left", lambda: service.leader is None and not processes_of(DAILY, run))

    stand = Stand(service, service.start())
    ended = follower(service, stand.airflow, DAILY, run).follow()
    tries = stand.attempts(DAILY, run)
    print(f"the run ended as {ended}; tries of each task: {tries}")
    if ended != "success" or tries["ingest"] > 3:
        raise SystemExit("a kill cost the run more than one try")


def submitting(run: str) -> psutil.Process:
    """The JVM of the step that ingests, once its driver works."""

    def drivers() -> list[psutil.Process]:
        begun = f"apps/__main__.py {APP} ingest"
        return [one for one in processes_of(DAILY, run) if "python" in one.name() and begun in " ".join(one.cmdline())]

    (driver, *_) = wait_for(drivers)
    time.sleep(3)  # into its work
    jvm = driver.parent()
    assert jvm is not None
    return jvm


def said(what: str, look: Callable[[], Any]) -> None:
    began = time.monotonic()
    wait_for(look, patience_s=120)
    print(f"{what} after {time.monotonic() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
