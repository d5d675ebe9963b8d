"""The fraud recipe: a step built too early, or for a date that the run has not, is told which step comes first."""

import platform
from pathlib import Path
from typing import Any

import pytest
import torch

from apps.fraud import columns
from apps.fraud.recipe import FRAUD, STEPS
from features.expressions import DAY_S
from infra.tables.hive import Partition
from pipelines import outcome
from pipelines.binary.score import Score
from pipelines.dated.engineer import Engineer
from pipelines.dated.pin import TablePin
from pipelines.dated.pinning import Pin, Pinned
from pipelines.outcome import Outcome
from pipelines.publish import Published
from pipelines.registry import Registry
from pipelines.report import Report
from pipelines.runner.perform import write
from pipelines.runner.run import Run
from tests.pipelines.runner.test_run import run
from tests.pipelines.test_registry import artifact

DAY = "2013-09-01"


@pytest.fixture
def begun(tmp_path: Path) -> Run:
    """A run that has ingested its day, and that is one of training too."""
    found = run(tmp_path)
    leave(found, f"ingest@{found.ds}", Outcome(summary="", partitions=(pin(found.ds), pin(found.ds))))
    return found


def pin(ds: str = DAY) -> Partition:
    return Partition(table="fraud.rows", ds=ds, location="/rows", fingerprint="f", rows=3)


def leave(found: Run, instance: str, left: Outcome) -> None:
    write(outcome.file(found.folder, instance), left.to_json())


def build(step: str, found: Run) -> Any:
    return STEPS[step].build(found)


@pytest.mark.parametrize(
    ("step", "first"),
    [
        ("split", "pin"),
        ("train", "split"),
        ("evaluate", "split"),
        ("quantise", "evaluate"),
        ("publish", "quantise"),
    ],
)
def test_a_step_built_too_early_is_told_which_comes_first(begun: Run, step: str, first: str) -> None:
    with pytest.raises(FileNotFoundError, match=f"no outcome of step '{first}' in .*; run that step first"):
        build(step, begun)


def test_every_step_that_a_step_reads_is_one_of_the_app() -> None:
    assert {read for stage in STEPS.values() for read in (*stage.reads, *stage.may_read)} <= STEPS.keys()


def test_a_training_pins_every_day_of_its_range(tmp_path: Path) -> None:
    step = build("pin", run(tmp_path, first_date="2013-09-01", last_date="2013-09-02"))
    assert isinstance(step, Pin) and step.dates == ("2013-09-01", "2013-09-02") and step.table == FRAUD.features


def test_days_that_have_no_rows_are_not_asked_for(tmp_path: Path) -> None:
    found = build("pin", run(tmp_path, first_date=columns.DAY_BEFORE, last_date=DAY))
    assert isinstance(found, Pin) and found.dates == (DAY,)


def test_a_runs_dates_are_scored_by_the_champion_it_published(begun: Run, tmp_path: Path) -> None:
    registry = Registry(folder=Path(begun.settings.registry) / "fraud")
    assert scored_by(begun) is None
    older, newer = (registry.add(artifact(tmp_path, weight)) for weight in (0.5, 0.6))
    registry.promote(newer, by="a later run", reason="better")
    assert scored_by(begun) == newer
    leave(begun, "publish", Outcome(summary="", result=Published(version=newer, champion=older, moved=False)))
    assert scored_by(begun) == older


def test_a_date_is_scored_on_the_features_that_the_run_made_or_pinned(begun: Run) -> None:
    assert build("score", begun).partition is None
    leave(begun, "pin", Outcome(summary="", result=Pinned(rows=TablePin(partitions=(pin(DAY), pin(begun.ds))))))
    assert build("score", begun).partition == pin(begun.ds)
    leave(
        begun,
        f"engineer@{begun.ds}",
        Outcome(summary="", partitions=(Partition(**{**vars(pin(begun.ds)), "rows": 4}),)),
    )
    assert build("score", begun).partition.rows == 4


def scored_by(found: Run) -> str | None:
    step = build("score", found)
    assert isinstance(step, Score)
    return step.version


def test_features_reach_back_as_far_as_the_longest_window(begun: Run) -> None:
    step = build("engineer", begun)
    assert isinstance(step, Engineer)
    assert (step.history_days - 1) * DAY_S < columns.WINDOWS.longest_s <= step.history_days * DAY_S


def test_the_report_names_the_versions_of_all_that_ran(begun: Run) -> None:
    step = build("report", begun)
    assert isinstance(step, Report)
    versions = step.settings["versions"]
    assert versions["python"] == platform.python_version()
    assert versions["torch"] == torch.__version__.partition("+")[0]
    assert versions["java"][:2] in ("17", "21")
    assert {"emberline", "pyspark"} < versions.keys()
