"""The demonstration: one run of an app's DAG in a real Airflow, followed to its end and summed up."""

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Any, Self

import httpx

from infra import processes
from infra.airflow import summary
from infra.airflow.client import Airflow
from infra.airflow.follow import Follower
from infra.airflow.service import Service


@dataclass(frozen=True, kw_only=True)
class Demo:
    """A run of ``dag`` with the parameters ``conf``; Airflow is started where it does not run yet."""

    service: Service
    dag: str
    conf: Mapping[str, Any]

    def perform(self) -> bool:
        """Run, print and sum up; say whether the run ended well. Broken off, it ends its run, and the Airflow it started."""
        own = self.service.leader is None
        with ended("Airflow", self.service.stop) if own else nullcontext():
            return self.watched(self.started() if own else self.service.client())

    def started(self) -> Airflow:
        print("starting Airflow ...", flush=True)
        began = time.monotonic()
        airflow = self.service.start()
        print(f"Airflow is up after {time.monotonic() - began:.0f} s: {airflow.url}, {self.login}", flush=True)
        return airflow

    @property
    def login(self) -> str:
        return f"user admin, password {self.service.password()}"

    def watched(self, airflow: Airflow) -> bool:
        """Trigger the run, follow it, and close with its summary."""
        self.service.await_dag(airflow, self.dag)
        began = time.monotonic()
        run = self.triggered(airflow)
        outcomes = self.service.settings.run_folder(self.dag, run) / "outcomes"
        follower = Follower(airflow=airflow, dag=self.dag, run=run, outcomes=outcomes, logs=self.service.home / "logs")
        with ended("the run", lambda: airflow.end(self.dag, run)), Peak(leader=self.service.leader) as peak:
            print(f"run {run}", flush=True)
            airflow.pause(self.dag, paused=False)
            state = follower.follow()
        seconds = time.monotonic() - began
        self.note(outcomes, state, seconds, peak.bytes)
        self.close(run, state, seconds, peak.bytes, airflow, outcomes)
        return state == "success"

    def triggered(self, airflow: Airflow) -> str:
        """Start the day's run where the schedule has not; then the scheduler does not make it too."""
        today = datetime.now(UTC).strftime("%Y-%m-%dT00:00:00Z")
        earlier = airflow.runs(self.dag)
        taken = any(run["logical_date"] == today for run in earlier)
        if active := [run["dag_run_id"] for run in earlier if run["state"] in ("queued", "running")]:
            print(f"runs take turns: this one follows {', '.join(active)}", flush=True)
        return airflow.trigger(self.dag, self.conf, logical_date=None if taken else today)

    def note(self, outcomes: Path, state: str, seconds: float, peak: int) -> None:
        """Leave the run's own figures beside its outcomes."""
        outcomes.parent.mkdir(parents=True, exist_ok=True)
        figures = {"state": state, "seconds": seconds, "peak_bytes": peak}
        (outcomes.parent / "demo.json").write_text(json.dumps(figures))

    def close(self, run: str, state: str, seconds: float, peak: int, airflow: Airflow, outcomes: Path) -> None:
        report = self.service.settings.report_file(self.dag, run)
        print(
            f"\nrun {run}: {state} in {seconds / 60:.1f} minutes; peak memory of everything together {peak / 1e9:.1f} GB"
        )
        print(f"\n{summary.times(outcomes)}")
        if figures := summary.figures(outcomes):
            print(f"\n{figures}")
        print(f"\nreport:  {report if report.exists() else 'none was written'}")
        print(
            f"Airflow: {airflow.url}/dags/{self.dag}/runs/{run}, {self.login}; it stays up until: make stop", flush=True
        )


@contextmanager
def ended(what: str, end: Callable[[], object]) -> Iterator[None]:
    """End what was begun where the block is broken off, by whatever it is; a second Ctrl-C does not break that off too."""
    try:
        yield
    except BaseException:
        handlers = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            print(f"\nending {what} ...", file=sys.stderr)
            end()
        except (httpx.HTTPError, RuntimeError) as error:  # why the block was broken off matters more
            print(f"{what} could not be ended: {error}", file=sys.stderr)
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        raise


class Peak:
    """The largest memory of a session's processes together, looked at every few seconds while the block runs."""

    def __init__(self, *, leader: int | None, interval_s: float = 3.0) -> None:
        self.bytes = 0
        self._leader = leader
        self._interval_s = interval_s
        self._ended = Event()
        self._thread = Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while self._leader is not None and not self._ended.wait(self._interval_s):
            self.bytes = max(self.bytes, processes.memory_bytes(self._leader))
