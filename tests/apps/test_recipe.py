"""The fraud recipe: a step built too early, or for a date that the run has not, is told which step comes first."""

import platform
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from apps.fraud import columns, recipe
from features.expressions import DAY_S
from infra.tables.hive import Partition
from pipelines import outcome
from pipelines.binary.score import Score
from pipelines.engineer import Engineer
from pipelines.outcome import Outcome, Step
from pipelines.registry import Registry
from pipelines.report import Report
from pipelines.runner.perform import write
from pipelines.runner.run import Run
from tests.pipelines.runner.test_run import run
from tests.pipelines.test_registry import artifact

DAY = "2013-09-01"


@pytest.fixture
def ingested(tmp_path: Path) -> Run:
    """A run of one day, which is not the one that its steps are asked for."""
    found = run(tmp_path)
    leave(found, f"ingest@{DAY}", Outcome(summary="", partitions=(pin(), pin())))
    return found


@pytest.fixture
def engineered(ingested: Run) -> Run:
    leave(ingested, "features", Outcome(summary="", partitions=(pin(), pin(ingested.ds))))
    return ingested


def pin(ds: str = DAY) -> Partition:
    return Partition(table="fraud.rows", ds=ds, location="/rows", fingerprint="f", rows=3)


def leave(found: Run, instance: str, left: Outcome) -> None:
    write(outcome.file(found.folder, instance), left.to_json())


@pytest.mark.parametrize(
    ("build", "first"),
    [
        (recipe.split, "features"),
        (recipe.train, "split"),
        (recipe.evaluate, "train@000"),
        (recipe.publish, "evaluate"),
        (recipe.score, "features"),
    ],
)
def test_a_step_built_too_early_is_told_which_comes_first(
    ingested: Run, build: Callable[[Run], Step], first: str
) -> None:
    with pytest.raises(FileNotFoundError, match=f"no outcome of step '{first}' in .*; run that step first"):
        build(ingested)


def test_a_date_without_features_is_named(ingested: Run) -> None:
    leave(ingested, "features", Outcome(summary="", partitions=(pin(),)))
    with pytest.raises(LookupError, match=f"has no features of 2013-09-02, only of {DAY}; choose one of those dates"):
        recipe.score(ingested)


def test_a_runs_dates_are_scored_by_the_champion_it_published(engineered: Run, tmp_path: Path) -> None:
    registry = Registry(folder=Path(engineered.settings.registry) / "fraud")
    older, newer = (registry.add(artifact(tmp_path, weight)) for weight in (0.5, 0.6))
    registry.promote(newer, by="a later run", reason="better")
    assert scored_by(engineered) == newer
    leave(engineered, "publish", Outcome(summary="", details={"champion": older}))
    assert scored_by(engineered) == older


def scored_by(found: Run) -> str:
    step = recipe.score(found)
    assert isinstance(step, Score)
    return step.version


def test_features_reach_back_as_far_as_the_longest_window(ingested: Run) -> None:
    step = recipe.features(ingested)
    assert isinstance(step, Engineer)
    assert (step.history_days - 1) * DAY_S < columns.WINDOWS.longest_s <= step.history_days * DAY_S


def test_the_report_names_the_versions_of_all_that_ran(ingested: Run) -> None:
    step = recipe.report(ingested)
    assert isinstance(step, Report)
    versions = step.settings["versions"]
    assert versions["python"] == platform.python_version()
    assert versions["torch"] == torch.__version__.partition("+")[0]
    assert versions["java"][:2] in ("17", "21")
    assert {"emberline", "pyspark"} < versions.keys()
