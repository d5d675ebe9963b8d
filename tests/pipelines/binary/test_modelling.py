"""From a frame to published scores: members, search, baselines, evaluation, scoring, each on the same small frame."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from pyspark.sql import SparkSession
from torch.optim import SGD

from apps.fraud.model import FITTING
from dlcore import Artifact, Training, read_scalars
from infra.tables.hive import Partition
from pipelines.binary import baselines
from pipelines.binary.baselines import Baseline, Baselines, Fitted
from pipelines.binary.evaluate import Evaluate
from pipelines.binary.frames.bag import Bag
from pipelines.binary.frames.split import Frames
from pipelines.binary.frames.statistics import Statistics, fitted
from pipelines.binary.measures.scored import Cost
from pipelines.binary.meeting import Meeting
from pipelines.binary.models.ensemble import MODEL, Member, models
from pipelines.binary.models.fitting import Fitting, Setting, grid
from pipelines.binary.score import scored
from pipelines.binary.search import Folds, Search, Winner
from pipelines.binary.train import Train
from pipelines.outcome import Outcome, Rows
from pipelines.publish import Publish, Published
from pipelines.quantise import Candidate
from pipelines.registry import Registry
from pipelines.section import Listing
from tests.pipelines import frames

SETTING: Setting = {"network": "mlp", "width": 8, "depth": 1, "dropout": 0.1, "lr": 0.05, "weight_decay": 1e-4}
OTHER: Setting = {"network": "cnn", "width": 4, "depth": 1, "dropout": 0.1, "lr": 0.05, "weight_decay": 1e-4}
MIXED = Fitting(
    networks=FITTING.networks, settings={"mixed": (SETTING, OTHER)}, grid=(SETTING,), training=FITTING.training
)
QUICK_TREES = {"xgboost": {"n_estimators": 30, "max_depth": 4}, "histogram": {"max_iter": 20}}
QUICK = {"batch": 64, "epochs": 12, "seed": 1}


@pytest.fixture(scope="module")
def frame(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Frames:
    made = frames.write(tmp_path_factory.mktemp("modelling") / "frame", frames.rows())
    return replace(made, statistics=fitted(made.read(spark, "train"), frames.FEATURES))


def train(frame: Frames, member: int, into: Path) -> Train:
    setting = MIXED.member("mixed", member)
    return Train(
        frames=frame,
        into=into,
        bag=Bag(seed=7, member=member, roles=frames.ROLES),
        fitting=MIXED,
        setting=setting,
        training=partial(MIXED.of, setting, frame.statistics, **QUICK),
        workers=1,
    )


@pytest.fixture(scope="module")
def members(spark: SparkSession, frame: Frames) -> tuple[Member, ...]:
    """One of each kind."""
    folders = [frame.folder.parent / "members" / f"{number:03d}" for number in range(2)]
    return tuple(train(frame, number, into).run(spark).left(Member) for number, into in enumerate(folders))


@contextmanager
def on_demand(spark: SparkSession) -> Iterator[None]:
    """Let Spark take executors for such as come and go."""
    conf = spark.sparkContext._jsc.sc().conf()
    names = [f"spark.dynamicAllocation.{name}" for name in ("enabled", "testing")]  # testing: on a local master too
    for name in names:
        conf.set(name, "true")
    try:
        yield
    finally:
        for name in names:
            conf.remove(name)


@pytest.fixture(scope="module")
def compared(spark: SparkSession, frame: Frames) -> Outcome:
    """Fitted as where executors come on demand: Spark, which looks there, grants no barrier stage then."""
    into = frame.folder.parent / "baselines"
    step = Baselines(frames=frame, into=into, roles=frames.ROLES, seed=7, trees=10, settings=QUICK_TREES)
    with on_demand(spark):
        return step.run(spark)


def step(frame: Frames, members: tuple[Member, ...], compared: Outcome, run: str = "one") -> Evaluate:
    """The evaluation of a run, whose pins lie in a folder of its own."""
    location = f"/warehouse/{run}"
    return Evaluate(
        frames=frame,
        members=members,
        baselines=compared.left(Fitted).baselines,
        into=frame.folder.parent / run,
        networks=MIXED.networks,
        roles=frames.ROLES,
        cost=Cost(review=10.0),
        partitions=(Partition(table="fraud.features", ds="2013-09-01", location=location, fingerprint="f", rows=3000),),
        versions={"torch": "2"},
        seed=7,
    )


@pytest.fixture(scope="module")
def evaluated(frame: Frames, members: tuple[Member, ...], compared: Outcome) -> Outcome:
    return step(frame, members, compared).run(None)


def candidate(evaluated: Outcome) -> Artifact:
    return Artifact.load(str(evaluated.left(Candidate).folder))


def test_a_member_trained_again_is_the_same_bit_for_bit(
    spark: SparkSession, frame: Frames, members: tuple[Member, ...], tmp_path: Path
) -> None:
    found = train(frame, 1, tmp_path).run(spark)
    weights = [
        (folder / "weights.safetensors").read_bytes() for folder in (tmp_path, members[1].folder, members[0].folder)
    ]
    assert weights[0] == weights[1] != weights[2]
    assert found.left(Member) == replace(members[1], folder=tmp_path)
    history = json.loads((tmp_path / "history.json").read_text())
    assert history[-1]["loss"] < history[0]["loss"]
    assert not (tmp_path / "training").exists()
    told = read_scalars(str(tmp_path / "board"))["average_precision"]
    judged = [(each["step"], each["metrics"]["average_precision"]) for each in history if each["metrics"]]
    assert [step for step, _ in told] == [step for step, _ in judged] and len(told) == QUICK["epochs"] // 2
    assert [value for _, value in told] == pytest.approx([value for _, value in judged])
    assert found.rows == Rows(taken=1800, given=1800)


def test_a_member_is_not_trained_on_fewer_rows_than_the_split_wrote(
    spark: SparkSession, frame: Frames, tmp_path: Path
) -> None:
    shutil.copytree(frame.folder, tmp_path / "frame")
    pd.read_parquet(frame.path("train"))[1:].to_parquet(tmp_path / "frame" / "train" / "part-0.parquet", index=False)
    with pytest.raises(ValueError, match=r"rows in must equal rows out.*got 1,800 rows in, 1,799 out"):
        train(replace(frame, folder=tmp_path / "frame"), 0, tmp_path / "member").run(spark)


def breaks_off(_: object, lr: float) -> SGD:
    raise RuntimeError("broke off")


def test_a_training_that_broke_off_does_not_block_one_on_other_rows(
    spark: SparkSession, frame: Frames, tmp_path: Path
) -> None:
    first = train(frame, 0, tmp_path / "member")
    with pytest.raises(RuntimeError, match="broke off"):
        replace(first, training=lambda rows: replace(first.training(rows), optimizer=breaks_off)).run(spark)
    other = frames.write(tmp_path / "frame", frames.rows(seed=5), statistics=frame.statistics)
    found = train(other, 0, tmp_path / "member").run(spark)
    assert found.rows == Rows(taken=1800, given=1800)
    assert not (tmp_path / "member" / "training").exists()


def test_baselines_leave_a_probability_for_every_row(frame: Frames, compared: Outcome) -> None:
    assert compared.rows == Rows(taken=1200, given=1200)
    found = compared.left(Fitted).baselines
    assert [each.title for each in found] == list(baselines.TITLES.values())
    for each in found:
        rated = each.rated(frames.ROLES)
        for part, scores in (("validation", rated.validation), ("test", rated.test)):
            rows = pd.read_parquet(frame.path(part)).sort_values(["source_file", "source_line"])
            assert scores.label.tolist() == rows["fraud"].tolist()
            assert scores.value.tolist() == rows["amount"].tolist()
    assert all(compared.metrics[f"{name}_average_precision"] > 0.3 for name in baselines.TITLES)


def test_boosted_trees_are_fitted_on_as_many_rows_as_a_task_may_hold(
    spark: SparkSession, frame: Frames, tmp_path: Path
) -> None:
    few = Baselines(frames=frame, into=tmp_path, roles=frames.ROLES, seed=7, settings=QUICK_TREES, boosted_rows=900)
    whole = replace(few, into=tmp_path / "whole", boosted_rows=1800)
    for step in (few, whole):
        step.boosted("histogram", spark)
    one, two = (
        Baseline(title="", folder=step.into / "histogram").scored("test", frames.ROLES) for step in (few, whole)
    )
    assert one.label.tolist() == two.label.tolist() and one.probability.tolist() != two.probability.tolist()
    assert (
        few.sampled() == "; XGBoost and Histogram boosting were fitted on 900 of 1,800 training rows, drawn by the seed"
    )
    assert whole.sampled() == ""


def test_evaluation_compares_all_models_on_the_same_rows(evaluated: Outcome, compared: Outcome) -> None:
    result, _, decision, *_ = evaluated.sections
    listing = next(part for part in result.parts if isinstance(part, Listing))
    shown = {line.cells[0]: float(line.cells[1]) for line in listing.lines}
    assert set(shown) == {"Ensemble", "Ensemble and XGBoost by rank", *baselines.TITLES.values()}
    for name, title in baselines.TITLES.items():
        assert shown[title] == pytest.approx(compared.metrics[f"{name}_average_precision"], abs=5e-5)
    confusions = next(part for part in decision.parts if isinstance(part, Listing))
    assert [int(line.cells[2]) + int(line.cells[3]) for line in confusions.lines] == [18] * 6
    assert evaluated.rows == Rows(taken=1200, given=1200)
    assert evaluated.metrics["average_precision"] > 0.5
    assert evaluated.facts["Model"] == evaluated.left(Candidate).version[:12]
    assert Outcome.from_json(evaluated.to_json()).left(Candidate) == evaluated.left(Candidate)


def test_a_baseline_that_rated_other_rows_is_refused(
    frame: Frames, members: tuple[Member, ...], compared: Outcome, tmp_path: Path
) -> None:
    """As many rows, and one of them is another."""
    shutil.copytree(frame.folder.parent / "baselines" / "forest", tmp_path / "forest")
    rows = pd.read_parquet(tmp_path / "forest" / "test")
    shutil.rmtree(tmp_path / "forest" / "test")
    frames.lay(tmp_path / "forest" / "test", rows.replace({"source_line": {int(rows["source_line"].max()): 1}}))
    forest = Baseline(title="Random forest", folder=tmp_path / "forest")
    other = replace(step(frame, members, compared, run="other"), baselines=(forest,))
    with pytest.raises(ValueError, match=r"Random forest must have rated the 600 test rows of .*, got other rows in"):
        other.run(None)


def test_probabilities_hold_at_the_base_rate_of_the_rows(frame: Frames, evaluated: Outcome) -> None:
    artifact = candidate(evaluated)
    validation = pd.read_parquet(frame.path("validation"))
    rated = rate(artifact, validation)
    assert rated.mean() == pytest.approx(validation["fraud"].mean(), rel=0.35)


def rate(artifact: Artifact, rows: pd.DataFrame) -> np.ndarray:
    features = torch.from_numpy(rows[artifact.details["features"]].to_numpy(np.float32))
    with torch.inference_mode():
        return np.asarray(artifact.module(models(MIXED.networks))(features).numpy())


def test_test_rows_choose_nothing(
    frame: Frames, members: tuple[Member, ...], compared: Outcome, evaluated: Outcome, tmp_path: Path
) -> None:
    """With the labels of the test rows turned around, weights, calibration and threshold are the same."""
    for part in ("train", "validation", "test"):
        rows = pd.read_parquet(frame.path(part))
        turned = rows.assign(fraud=1 - rows["fraud"]) if part == "test" else rows
        frames.lay(tmp_path / "frame" / part, turned)
    other = replace(frame, folder=tmp_path / "frame")
    found = replace(step(other, members, compared), baselines=()).run(None)
    first, second = candidate(evaluated), candidate(found)
    assert torch.equal(first.tensors["calibration"], second.tensors["calibration"])
    assert first.details["threshold"] == second.details["threshold"]
    assert first.details["test"] != second.details["test"]


def test_the_artifact_is_of_its_content_alone(
    frame: Frames, members: tuple[Member, ...], compared: Outcome, evaluated: Outcome
) -> None:
    again = step(frame, members, compared, run="two").run(None)
    assert again.left(Candidate).version == evaluated.left(Candidate).version


def test_scores_in_spark_equal_plain_python(
    spark: SparkSession, frame: Frames, evaluated: Outcome, tmp_path: Path
) -> None:
    artifact = candidate(evaluated)
    rows = spark.read.parquet(str(frame.path("test")))
    found = pd.DataFrame(scored(rows, artifact, MIXED.networks, frames.ROLES.key, tmp_path).toPandas()).sort_values(
        "source_line"
    )
    plain = pd.read_parquet(frame.path("test")).sort_values("source_line")
    assert found["source_line"].tolist() == plain["source_line"].tolist()
    assert found["probability"].tolist() == pytest.approx(rate(artifact, plain).tolist(), rel=1e-5)
    assert found["decision"].tolist() == (found["probability"] >= artifact.details["threshold"]).astype(int).tolist()
    assert set(found["model_version"]) == {artifact.id}


def test_a_row_that_cannot_be_scored_keeps_its_place(
    spark: SparkSession, frame: Frames, evaluated: Outcome, tmp_path: Path
) -> None:
    artifact = candidate(evaluated)
    rows = spark.createDataFrame(pd.read_parquet(frame.path("test")).head(3).assign(b=[1.0, float("nan"), 2.0]))
    found = scored(rows, artifact, MIXED.networks, frames.ROLES.key, tmp_path).orderBy("source_line").collect()
    assert [row["probability"] is None for row in found] == [False, True, False]
    assert found[1]["decision"] is None


PLAIN = """
import sys
sys.modules["pyspark"] = None  # importing it is an error
import pandas, torch
from apps.fraud.model import FITTING
from dlcore import Artifact
from pipelines.binary.models.ensemble import models
import pipelines.registry
artifact = Artifact.load(sys.argv[1])
rows = pandas.read_parquet(sys.argv[2])
features = torch.tensor(rows[artifact.details["features"]].to_numpy("float32"))
probability = artifact.module(models(FITTING.networks))(features)
print(len(probability), float(probability.max()))
"""


def test_an_artifact_scores_in_ten_lines_of_plain_python_without_spark(frame: Frames, evaluated: Outcome) -> None:
    command = [sys.executable, "-c", PLAIN, str(evaluated.left(Candidate).folder), str(frame.path("test"))]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    rows, highest = ended.stdout.split()
    assert int(rows) == 600 and 0 < float(highest) <= 1


def test_a_published_candidate_is_the_champion(frame: Frames, evaluated: Outcome, tmp_path: Path) -> None:
    registry = Registry(folder=tmp_path)
    found = Publish(
        candidate=evaluated.left(Candidate).folder,
        registry=registry,
        compare=Meeting(frames=frame, networks=MIXED.networks, roles=frames.ROLES, scratch=tmp_path),
        run_id="a run",
    ).run(None)
    assert registry.champion().id == evaluated.left(Candidate).version == found.left(Published).version


def test_an_artifact_knows_which_rows_it_has_seen(frame: Frames, evaluated: Outcome) -> None:
    """All but the test rows."""
    artifact = candidate(evaluated)
    last = pd.read_parquet(frame.path("validation"))["time_s"].max()
    first = pd.read_parquet(frame.path("train"))["time_s"].min()
    assert artifact.details["seen"] == {"first_s": first, "last_s": last}
    assert artifact.model == MODEL and [each["network"] for each in artifact.arguments["members"]] == ["mlp", "cnn"]


def fit(setting: Setting, statistics: Statistics, rows: int) -> Training:
    return MIXED.of(setting, statistics, rows, **QUICK)


def searched(frame: Frames, into: Path, settings: tuple[Setting, ...]) -> Search:
    bag = Bag(seed=7, member=0, roles=frames.ROLES)
    return Search(frames=frame, into=into, settings=settings, training=fit, bag=bag)


def test_search_ranks_every_trial_and_reports_one_that_fails(
    spark: SparkSession, frame: Frames, tmp_path: Path
) -> None:
    base = {name: [value] for name, value in SETTING.items()}
    settings = grid(**{**base, "lr": [1e-7, 0.05], "network": ["mlp", "no such network"]})
    found = searched(frame, tmp_path, settings).run(spark)
    (listing,) = found.sections[0].parts
    assert isinstance(listing, Listing)
    titles = [column.title for column in listing.columns]
    trials = [dict(zip(titles, line.cells, strict=True)) for line in listing.lines]
    assert found.rows == Rows(taken=1800, given=1800)
    assert len(trials) == 4 and found.metrics["failed"] == 2 and len(found.warnings) == 2
    assert found.left(Winner).setting == SETTING and trials[0]["lr"] == "0.05"
    assert trials[0]["Average precision"] > trials[1]["Average precision"] and trials[0]["Folds"].count(",") == 1
    assert all("KeyError: 'no such network'" in trial["Error"] for trial in trials[2:])


def test_trials_see_a_sample_of_more_rows_than_they_may_hold(
    spark: SparkSession, frame: Frames, tmp_path: Path
) -> None:
    found = replace(searched(frame, tmp_path, (SETTING,)), most=900).run(spark)
    assert found.rows is not None and found.rows.taken == 1800 and 800 < found.rows.given < 1000
    assert f"1 trials on a sample of {found.rows.given} of 1,800 training rows" in found.summary
    assert found.left(Winner).setting == SETTING


def test_search_fails_where_every_trial_does(spark: SparkSession, frame: Frames, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="every trial of the search failed; the first with: KeyError"):
        searched(frame, tmp_path, ({**SETTING, "network": "no such network"},)).run(spark)


def test_folds_fit_on_rows_before_those_they_measure() -> None:
    assert Folds(cuts=(0.5, 0.75, 1.0)).bounds(1001) == [(500, 750), (750, 1001)]
    with pytest.raises(ValueError, match="at least two rising shares"):
        Folds(cuts=(0.5, 0.5))
