"""The demonstration: an app's days taken in, and a model trained on them, in a real Airflow, followed to their end and summed up."""

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any, Self

import httpx

from infra import processes
from infra.airflow import summary
from infra.airflow.client import Airflow
from infra.airflow.follow import follower
from infra.airflow.service import Service
from infra.hbase.service import Service as Hbase


@dataclass(frozen=True, kw_only=True)
class Demo:
    """An app's days as they have landed, then, where it has a DAG for it, a training on them with the parameters ``conf``.

    Airflow is started where it does not run yet; steps start the HBase that they need.
    """

    service: Service
    app: str
    conf: Mapping[str, Any]

    def perform(self) -> bool:
        """Run, print and sum up; say whether every run ended well. Broken off, it ends its runs, and the services they started."""
        days = self.days()
        own, hbase = self.service.leader is None, Hbase(settings=self.service.settings)
        if not own and (trouble := self.service.trouble()):
            raise RuntimeError(f"Airflow at {self.service.client().url} {trouble}")
        with (
            nullcontext() if hbase.running() else ended("HBase", hbase.stop, only=hbase.running),
            ended("Airflow", self.service.stop) if own else nullcontext(),
        ):
            return self.watched(self.started() if own else self.service.client(), days)

    def days(self) -> tuple[str, str]:
        """The first and the last day that have landed."""
        folder = Path(self.service.settings.landing) / self.app
        landed = sorted(day.name.removeprefix("ds=") for day in folder.glob("ds=*"))
        if not landed:
            raise RuntimeError(f"no day has landed in {folder}; `make setup` puts the demonstration's there")
        return landed[0], landed[-1]

    def started(self) -> Airflow:
        print("starting Airflow ...", flush=True)
        began = time.monotonic()
        airflow = self.service.start()
        print(f"Airflow is up after {time.monotonic() - began:.0f} s: {airflow.url}, {self.login}", flush=True)
        return airflow

    @property
    def login(self) -> str:
        return f"user admin, whose password is in {self.service.password_file()}"

    @property
    def trains(self) -> bool:
        """Whether the app has a DAG that makes a model of its days."""
        return (self.service.dags / f"{self.app}_training.py").exists()

    def watched(self, airflow: Airflow, days: tuple[str, str]) -> bool:
        """Take each day in, train on all of them, and close with the summary."""
        daily, training = f"{self.app}_daily", f"{self.app}_training"
        for dag in (daily, training) if self.trains else (daily,):
            self.service.await_dag(airflow, dag)
            airflow.pause(dag, paused=False)
        began = time.monotonic()
        with Peak(leader=self.service.leader) as peak:
            runs = airflow.backfill(daily, first=days[0], last=days[1])
            done = all(self.followed(airflow, daily, run) for run in runs)
            dag, run = daily, runs[-1]
            if self.trains:
                given = {"first_date": days[0], "last_date": days[1], **self.conf}
                dag, run = training, airflow.trigger(training, given) if done else ""
                done = done and self.followed(airflow, dag, run)
        self.close(airflow, dag, run, time.monotonic() - began, peak.bytes)
        return done

    def followed(self, airflow: Airflow, dag: str, run: str) -> bool:
        """Follow one run to its end; say whether it ended well."""
        print(f"\n{dag}: run {run}", flush=True)
        with ended("the run", lambda: airflow.end(dag, run)):
            return follower(self.service, airflow, dag, run).follow() == "success"

    def close(self, airflow: Airflow, dag: str, run: str, seconds: float, peak: int) -> None:
        """Sum up, and leave the figures beside the last run's outcomes."""
        print(f"\nall runs in {seconds / 60:.1f} minutes; peak memory of everything together {peak / 1e9:.1f} GB")
        if run:
            folder = self.service.run_folder(dag, run)
            note = folder / "demo.json"
            note.write_text(json.dumps({"seconds": seconds, "peak_bytes": peak}))
            print(f"\n{summary.times(folder / 'outcomes')}")
            if figures := summary.figures(folder / "outcomes"):
                print(f"\n{figures}")
            report = self.service.report(dag, run)
            print(f"\nreport:  {report if report.exists() else 'none was written'}")
        print(f"Airflow: {airflow.url}/dags/{dag}/runs/{run}, {self.login}; it stays up until: make stop", flush=True)


@contextmanager
def ended(what: str, end: Callable[[], object], *, only: Callable[[], bool] = lambda: True) -> Iterator[None]:
    """End what was begun where the block is broken off, by whatever it is; a second Ctrl-C does not break that off too."""
    try:
        yield
    except BaseException:
        if not only():
            raise
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
