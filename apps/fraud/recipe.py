"""The fraud application's steps: each function turns a run's parameters into one step.

A step's modules are imported in its function: torch, Spark ML and Great Expectations take seconds each to import, and no
step needs them all.
"""

from __future__ import annotations

import json
import platform
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from apps.fraud import columns
from features.expressions import DAY_S
from infra import spark
from infra.tables.hive import Partition
from pipelines.outcome import Step
from pipelines.runner.run import Run, Stage

if TYPE_CHECKING:
    from dlcore import Training
    from pipelines.binary.search import Setting
    from pipelines.binary.statistics import Statistics
    from pipelines.registry import Registry


def ingest(run: Run) -> Step:
    from apps.fraud import gates
    from pipelines.ingest import Ingest
    from pipelines.judge import Judge

    return Ingest(
        landing=run.settings.landing,
        source=f"fraud/ds={run.ds}",
        header=columns.HEADER,
        rules=columns.rules(run.ds),
        table=columns.TRANSACTIONS,
        quarantine=columns.QUARANTINE,
        judge=Judge(expectations=gates.transactions(), key=columns.KEY),
        ds=run.ds,
        run_id=run.id,
    )


def features(run: Run) -> Step:
    from apps.fraud import gates
    from pipelines.engineer import Engineer
    from pipelines.judge import Judge

    published = registry(run)
    return Engineer(
        source=columns.TRANSACTIONS,
        table=columns.FEATURE_TABLE,
        inputs=tuple(outcome.partitions[0] for outcome in run.outcomes("ingest")),
        transform=columns.engineered,
        judge=Judge(
            expectations=gates.features(),
            key=columns.KEY,
            profile=published.champion().details["profile"] if published.pointers().champion else None,
            stop_on_drift=run.params["stop_on_drift"],
        ),
        history_days=-(-columns.WINDOWS.longest_s // DAY_S),
        run_id=run.id,
    )


def split(run: Run) -> Step:
    from features.drift import profile
    from pipelines.binary.split import Split

    return Split(
        partitions=feature_partitions(run),
        features=columns.MODEL_FEATURES,
        into=run.folder / "frame",
        profile=partial(profile, error=0.0),
    )


def search(run: Run) -> Step:
    from apps.fraud import fitting
    from pipelines.binary.bag import Bag
    from pipelines.binary.search import Search

    return Search(
        frame=frame(run),
        into=run.folder / "search",
        settings=fitting.GRID,
        training=partial(training, run),
        bag=Bag(seed=run.params["seed"], member=0),
        features=columns.MODEL_FEATURES,
    )


def train(run: Run) -> Step:
    from pipelines.binary.bag import Bag
    from pipelines.binary.statistics import Statistics
    from pipelines.binary.train import Train

    return Train(
        frame=frame(run),
        into=run.folder / "members" / f"{run.member:03d}",
        bag=Bag(seed=run.params["seed"], member=run.member),
        training=partial(training, run, setting(run), Statistics.read(frame(run) / "statistics.json")),
        features=columns.MODEL_FEATURES,
        workers=run.params["workers"],
    )


def measured_against(run: Run) -> Step:
    from pipelines.binary.baselines import Baselines

    return Baselines(
        frame=frame(run), into=run.folder / "baselines", features=columns.MODEL_FEATURES, seed=run.params["seed"]
    )


def evaluate(run: Run) -> Step:
    from apps.fraud import fitting
    from apps.fraud.model import ensemble
    from pipelines.binary.evaluate import Evaluate

    members = [run.outcome(f"train@{number:03d}") for number in range(run.params["members"])]
    compared = run.outcome("baselines")
    return Evaluate(
        frame=frame(run),
        members=tuple(Path(trained.files["member"]) for trained in members),
        baselines={name: Path(folder) for name, folder in compared.files.items()},
        titles=compared.details["titles"],
        into=run.folder / "candidate",
        model="fraud-ensemble",
        arguments=fitting.arguments(setting(run), len(columns.MODEL_FEATURES)),
        build=ensemble,
        features=columns.MODEL_FEATURES,
        partitions=feature_partitions(run),
        versions=versions(),
        seed=run.params["seed"],
    )


def publish(run: Run) -> Step:
    from apps.fraud.model import MODELS
    from pipelines.publish import Publish

    return Publish(
        candidate=Path(run.outcome("evaluate").files["candidate"]),
        validation=frame(run) / "validation",
        registry=registry(run),
        models=MODELS,
        run_id=run.id,
    )


def score(run: Run) -> Step:
    from apps.fraud import gates
    from apps.fraud.model import MODELS
    from pipelines.binary.score import Score
    from pipelines.judge import Judge

    return Score(
        partition=feature_partition(run),
        features=columns.FEATURE_TABLE,
        scores=columns.SCORES,
        registry=registry(run),
        version=champion(run),
        models=MODELS,
        judge=Judge(expectations=gates.scores(), key=columns.KEY),
        run_id=run.id,
    )


def report(run: Run) -> Step:
    from pipelines.report import Report

    return Report(
        folder=run.folder,
        into=run.settings.report_file(run.app, run.id),
        title="Card-transaction fraud",
        run_id=run.id,
        settings={
            "parameters": run.params,
            "platform": run.settings.model_dump(mode="json"),
            "versions": versions() | {"python": platform.python_version(), "java": spark.java()},
        },
    )


STEPS = {
    "ingest": Stage(ingest, "hive", each="date"),
    "features": Stage(features, "hive"),
    "split": Stage(split, "spark"),
    "search": Stage(search, "spark"),
    "train": Stage(train, "spark", each="member"),
    "baselines": Stage(measured_against, "spark"),
    "evaluate": Stage(evaluate, "none"),
    "publish": Stage(publish, "none"),
    "score": Stage(score, "hive", each="date"),
    "report": Stage(report, "none"),
}


def training(run: Run, setting: Setting, statistics: Statistics, rows: int) -> Training:
    """The training of one member or trial on ``rows`` drawn rows, by the run's parameters."""

    from apps.fraud import fitting

    seed = 1000 * run.params["seed"] + run.member  # so that each member begins with weights of its own
    return fitting.training(
        setting, statistics, rows, batch=run.params["batch"], epochs=run.params["epochs"], seed=seed
    )


def setting(run: Run) -> Setting:
    """The setting that search found best in this run, else the one that the parameter ``model`` names."""

    from apps.fraud import fitting

    if not run.params["search"]:
        return fitting.SETTINGS[run.params["model"]]
    winner: Setting = json.loads(Path(run.outcome("search").files["winner"]).read_text())
    return winner


def feature_partitions(run: Run) -> tuple[Partition, ...]:
    return run.outcome("features").partitions


def feature_partition(run: Run) -> Partition:
    """The features of this invocation's date."""
    partitions = {pinned.ds: pinned for pinned in feature_partitions(run)}
    if run.ds not in partitions:
        raise LookupError(
            f"run {run.id} has no features of {run.ds}, only of {', '.join(partitions)}; choose one of those dates"
        )
    return partitions[run.ds]


def frame(run: Run) -> Path:
    """Where split left the training, validation and test rows."""
    return Path(run.outcome("split").files["train"]).parent


def champion(run: Run) -> str:
    """The version that publishing left as champion in this run; where nothing was published, the registry's champion."""
    if not run.did("publish"):
        return registry(run).champion().id
    version: str = run.outcome("publish").details["champion"]
    return version


def versions() -> dict[str, str]:
    """The code that a model is made by."""
    return {package: version(package) for package in ("emberline", "torch", "pyspark")}


def registry(run: Run) -> Registry:
    from pipelines.registry import Registry

    return Registry(folder=Path(run.settings.registry) / run.app)
