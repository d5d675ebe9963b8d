"""What a run's steps wrote of themselves, as whoever only looks on reads it: their sentences, figures and times."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def named(dag: str, run: str) -> tuple[str, str]:
    """The app, and its name of the run, that Airflow knows as ``run`` of ``dag``: ``fraud_daily`` is a DAG of ``fraud``."""
    return dag.rpartition("_")[0], f"{dag}.{run}"


@dataclass(frozen=True, kw_only=True)
class StepTime:
    """Where one step's seconds went, from being submitted to its end."""

    step: str
    java_s: float
    session_s: float
    work_s: float

    @property
    def total_s(self) -> float:
        return self.java_s + self.session_s + self.work_s


def read(outcomes: Path, instance: str) -> dict[str, Any] | None:
    """One step's outcome, or None where it left none."""
    file = outcomes / f"{instance}.json"
    return dict(json.loads(file.read_text())) if file.exists() else None


def sentence(outcomes: Path, instance: str) -> str | None:
    """What one step says it did."""
    outcome = read(outcomes, instance)
    return None if outcome is None else str(outcome["summary"])


def sections(outcomes: Path) -> Iterator[dict[str, Any]]:
    """What each step adds to the report."""
    for file in sorted(outcomes.glob("[!.]*.json")):
        yield from json.loads(file.read_text()).get("sections", ())


def step_times(outcomes: Path) -> list[StepTime]:
    """Each step's start of the JVM and Python, start of the Spark session, and work, in the order they were launched."""
    return [share for _, share in sorted(_timed(outcomes), key=lambda pair: pair[0])]


def _timed(outcomes: Path) -> Iterator[tuple[float, StepTime]]:
    for file in outcomes.glob("[!.]*.json"):
        times = json.loads(file.read_text())["times"]
        if times:
            yield (
                times["launched"],
                StepTime(
                    step=file.stem,
                    java_s=times["began"] - times["launched"],
                    session_s=times["ready"] - times["began"],
                    work_s=times["ended"] - times["ready"],
                ),
            )
