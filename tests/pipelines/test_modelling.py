"""From a frame to published scores: members, search, baselines, evaluation, scoring, each on the same small frame."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession
from torch.optim import SGD

from apps.fraud import fitting
from apps.fraud.model import MODELS, ensemble
from dlcore import Artifact, Training
from infra.tables.hive import Partition
from pipelines.binary import baselines, predictions
from pipelines.binary.bag import Bag
from pipelines.binary.baselines import Baselines
from pipelines.binary.evaluate import Evaluate
from pipelines.binary.score import scored
from pipelines.binary.search import Folds, Search, Setting, grid
from pipelines.binary.split import COUNTS
from pipelines.binary.statistics import Statistics, fitted
from pipelines.binary.train import Train
from pipelines.outcome import Outcome, Rows
from pipelines.publish import Publish
from pipelines.registry import Registry
from tests.pipelines import frames

SETTING: Setting = {"name": "mlp", "width": 8, "depth": 1, "dropout": 0.1, "lr": 0.05, "weight_decay": 1e-4}
QUICK = {"batch": 64, "epochs": 12, "seed": 1}


@pytest.fixture(scope="module")
def frame(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = frames.write(tmp_path_factory.mktemp("modelling") / "frame", frames.rows())
    fitted(spark.read.parquet(str(folder / "train")), frames.FEATURES).save(folder / "statistics.json")
    return folder


def train(frame: Path, member: int, into: Path) -> Train:
    statistics = Statistics.read(frame / "statistics.json")
    return Train(
        frame=frame,
        into=into,
        bag=Bag(seed=7, member=member),
        training=partial(fitting.training, SETTING, statistics, **QUICK),
        features=frames.FEATURES,
        workers=1,
    )


@pytest.fixture(scope="module")
def members(spark: SparkSession, frame: Path) -> tuple[Path, ...]:
    folders = tuple(frame.parent / "members" / f"{member:03d}" for member in range(2))
    for member, folder in enumerate(folders):
        train(frame, member, folder).run(spark)
    return folders


@pytest.fixture(scope="module")
def compared(spark: SparkSession, frame: Path) -> Outcome:
    return Baselines(
        frame=frame, into=frame.parent / "baselines", features=frames.FEATURES, seed=7, trees=10, rounds=30
    ).run(spark)


def step(frame: Path, members: tuple[Path, ...], compared: Outcome, run: str = "one") -> Evaluate:
    """The evaluation of a run, whose pins lie in a folder of its own."""
    location = f"/warehouse/{run}"
    return Evaluate(
        frame=frame,
        members=members,
        baselines={name: Path(folder) for name, folder in compared.files.items()},
        titles=baselines.TITLES,
        into=frame.parent / run,
        model="fraud-ensemble",
        arguments=fitting.arguments(SETTING, len(frames.FEATURES)),
        build=ensemble,
        features=frames.FEATURES,
        partitions=(Partition(table="fraud.features", ds="2013-09-01", location=location, fingerprint="f", rows=3000),),
        versions={"torch": "2"},
        seed=7,
    )


@pytest.fixture(scope="module")
def evaluated(frame: Path, members: tuple[Path, ...], compared: Outcome) -> Outcome:
    return step(frame, members, compared).run(None)


def test_a_member_trained_again_is_the_same_bit_for_bit(
    spark: SparkSession, frame: Path, members: tuple[Path, ...], tmp_path: Path
) -> None:
    found = train(frame, 1, tmp_path).run(spark)
    for file in ("weights.safetensors", "balance.json"):
        assert (tmp_path / file).read_bytes() == (members[1] / file).read_bytes()
    assert (members[0] / "weights.safetensors").read_bytes() != (members[1] / "weights.safetensors").read_bytes()
    assert found.details["history"][-1]["loss"] < found.details["history"][0]["loss"]
    assert not (tmp_path / "training").exists()
    assert found.rows == Rows(taken=1800, given=1800)


def test_a_member_is_not_trained_on_fewer_rows_than_the_split_wrote(
    spark: SparkSession, frame: Path, tmp_path: Path
) -> None:
    shutil.copytree(frame, tmp_path / "frame")
    pd.read_parquet(frame / "train")[1:].to_parquet(tmp_path / "frame" / "train" / "part-0.parquet", index=False)
    with pytest.raises(ValueError, match=r"rows in must equal rows out.*got 1,800 rows in, 1,799 out"):
        train(tmp_path / "frame", 0, tmp_path / "member").run(spark)


def breaks_off(_: object, lr: float) -> SGD:
    raise RuntimeError("broke off")


def test_a_training_that_broke_off_does_not_block_one_on_other_rows(
    spark: SparkSession, frame: Path, tmp_path: Path
) -> None:
    first = train(frame, 0, tmp_path / "member")
    with pytest.raises(RuntimeError, match="broke off"):
        replace(first, training=lambda rows: replace(first.training(rows), optimizer=breaks_off)).run(spark)
    other = frames.write(tmp_path / "frame", frames.rows(seed=5))
    shutil.copy(frame / "statistics.json", other)
    found = train(other, 0, tmp_path / "member").run(spark)
    assert found.rows == Rows(taken=1800, given=1800)
    assert not (tmp_path / "member" / "training").exists()


def test_baselines_leave_a_probability_for_every_row(frame: Path, compared: Outcome) -> None:
    assert compared.rows == Rows(taken=1200, given=1200)
    for name in baselines.TITLES:
        for part in ("validation", "test"):
            rows = pd.read_parquet(frame / part).sort_values(["source_file", "source_line"])
            found = predictions.read(Path(compared.files[name]) / part)
            assert found.fraud.tolist() == rows["fraud"].tolist()
            assert found.amount.tolist() == rows["amount"].tolist()
        assert compared.details["models"][name]["average_precision"] > 0.3


def test_xgboost_meets_where_executors_reach_the_driver(spark: SparkSession, frame: Path) -> None:
    step = Baselines(frame=frame, into=frame, features=frames.FEATURES, seed=7)
    xgboost = step.estimators("10.0.0.7")["xgboost"]
    assert xgboost.getOrDefault("coll_cfg").tracker_host_ip == "10.0.0.7"


def test_evaluation_compares_all_models_on_the_same_rows(evaluated: Outcome, compared: Outcome) -> None:
    details = evaluated.details
    assert set(details["models"]) == {"ensemble", *baselines.TITLES}
    for name in baselines.TITLES:
        assert details["models"][name]["average_precision"] == compared.details["models"][name]["average_precision"]
    assert evaluated.rows == Rows(taken=1200, given=1200)
    assert details["rows"]["test"] == {"rows": 600, "frauds": 18}
    assert details["importance"][0]["feature"] == "a"
    assert evaluated.metrics["average_precision"] > 0.5
    json.dumps(details, allow_nan=False)


def test_a_baseline_that_rated_other_rows_is_refused(
    frame: Path, members: tuple[Path, ...], compared: Outcome, tmp_path: Path
) -> None:
    """As many rows, and one of them is another."""
    shutil.copytree(compared.files["forest"], tmp_path / "forest")
    rows = pd.read_parquet(tmp_path / "forest" / "test")
    shutil.rmtree(tmp_path / "forest" / "test")
    frames.lay(tmp_path / "forest" / "test", rows.replace({"source_line": {int(rows["source_line"].max()): 1}}))
    other = replace(step(frame, members, compared, run="other"), baselines={"forest": tmp_path / "forest"})
    with pytest.raises(ValueError, match=r"Random forest must have rated the 600 test rows of .*, got other rows in"):
        other.run(None)


def test_probabilities_hold_at_the_base_rate_of_the_rows(frame: Path, evaluated: Outcome) -> None:
    artifact = Artifact.load(evaluated.files["candidate"])
    validation = pd.read_parquet(frame / "validation")
    rated = rate(artifact, validation)
    assert rated.mean() == pytest.approx(validation["fraud"].mean(), rel=0.35)


def rate(artifact: Artifact, rows: pd.DataFrame) -> np.ndarray:
    import torch

    features = torch.from_numpy(rows[artifact.details["features"]].to_numpy(np.float32))
    with torch.inference_mode():
        return np.asarray(artifact.module(MODELS)(features).numpy())


def test_test_rows_choose_nothing(
    frame: Path, members: tuple[Path, ...], compared: Outcome, evaluated: Outcome, tmp_path: Path
) -> None:
    """With the labels of the test rows turned around, weights, calibration and threshold are the same."""
    other = tmp_path / "frame"
    for part in ("train", "validation", "test"):
        (other / part).mkdir(parents=True)
        rows = pd.read_parquet(frame / part)
        turned = rows.assign(fraud=1 - rows["fraud"]) if part == "test" else rows
        turned.to_parquet(other / part / "part-0.parquet", index=False)
    for file in ("statistics.json", COUNTS):
        (other / file).write_text((frame / file).read_text())
    found = replace(step(other, members, compared), baselines={}).run(None)
    first, second = (Artifact.load(each.files["candidate"]) for each in (evaluated, found))
    assert found.details["calibration"] == evaluated.details["calibration"]
    assert first.details["threshold"] == second.details["threshold"]
    assert first.details["test"] != second.details["test"]


def test_the_artifact_is_of_its_content_alone(
    frame: Path, members: tuple[Path, ...], compared: Outcome, evaluated: Outcome
) -> None:
    again = step(frame, members, compared, run="two").run(None)
    assert again.details["candidate"] == evaluated.details["candidate"]


def test_scores_in_spark_equal_plain_python(spark: SparkSession, frame: Path, evaluated: Outcome) -> None:
    artifact = Artifact.load(evaluated.files["candidate"])
    rows = spark.read.parquet(str(frame / "test"))
    found = pd.DataFrame(scored(rows, artifact, MODELS, predictions.KEY).toPandas()).sort_values("source_line")
    plain = pd.read_parquet(frame / "test").sort_values("source_line")
    assert found["source_line"].tolist() == plain["source_line"].tolist()
    assert found["probability"].tolist() == pytest.approx(rate(artifact, plain).tolist(), rel=1e-5)
    assert found["decision"].tolist() == (found["probability"] >= artifact.details["threshold"]).astype(int).tolist()
    assert set(found["model_version"]) == {artifact.id}


def test_a_row_that_cannot_be_scored_keeps_its_place(spark: SparkSession, frame: Path, evaluated: Outcome) -> None:
    artifact = Artifact.load(evaluated.files["candidate"])
    rows = spark.createDataFrame(pd.read_parquet(frame / "test").head(3).assign(b=[1.0, float("nan"), 2.0]))
    found = scored(rows, artifact, MODELS, predictions.KEY).orderBy("source_line").collect()
    assert [row["probability"] is None for row in found] == [False, True, False]
    assert found[1]["decision"] is None


PLAIN = """
import sys
sys.modules["pyspark"] = None  # importing it is an error
import pandas, torch
from apps.fraud.model import MODELS
from dlcore import Artifact
import pipelines.registry
artifact = Artifact.load(sys.argv[1])
rows = pandas.read_parquet(sys.argv[2])
features = torch.tensor(rows[artifact.details["features"]].to_numpy("float32"))
probability = artifact.module(MODELS)(features)
print(len(probability), float(probability.max()))
"""


def test_an_artifact_scores_in_ten_lines_of_plain_python_without_spark(frame: Path, evaluated: Outcome) -> None:
    command = [sys.executable, "-c", PLAIN, evaluated.files["candidate"], str(frame / "test")]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    rows, highest = ended.stdout.split()
    assert int(rows) == 600 and 0 < float(highest) <= 1


def test_a_published_candidate_is_the_champion(frame: Path, evaluated: Outcome, tmp_path: Path) -> None:
    registry = Registry(folder=tmp_path)
    found = Publish(
        candidate=Path(evaluated.files["candidate"]),
        validation=frame / "validation",
        registry=registry,
        models=MODELS,
        run_id="a run",
    ).run(None)
    assert registry.champion().id == evaluated.details["candidate"] == found.details["version"]


def fit(setting: Setting, statistics: Statistics, rows: int) -> Training:
    return fitting.training(setting, statistics, rows, **QUICK)


def searched(frame: Path, into: Path, settings: tuple[Setting, ...]) -> Search:
    return Search(
        frame=frame, into=into, settings=settings, training=fit, bag=Bag(seed=7, member=0), features=frames.FEATURES
    )


def test_search_ranks_every_trial_and_reports_one_that_fails(spark: SparkSession, frame: Path, tmp_path: Path) -> None:
    base = {name: [value] for name, value in SETTING.items()}
    settings = grid(**{**base, "lr": [1e-7, 0.05], "name": ["mlp", "no such network"]})
    found = searched(frame, tmp_path, settings).run(spark)
    trials = found.details["trials"]
    assert found.rows == Rows(taken=1800, given=1800)
    assert len(trials) == 4 and found.metrics["failed"] == 2 and len(found.warnings) == 2
    assert trials[0]["setting"] == SETTING == json.loads((tmp_path / "winner.json").read_text())
    assert trials[0]["average_precision"] > trials[1]["average_precision"] and len(trials[0]["folds"]) == 2
    assert all("KeyError: 'no such network'" in trial["error"] for trial in trials[2:])


def test_search_fails_where_every_trial_does(spark: SparkSession, frame: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="every trial of the search failed; the first with: KeyError"):
        searched(frame, tmp_path, ({**SETTING, "name": "no such network"},)).run(spark)


def test_folds_fit_on_rows_before_those_they_measure() -> None:
    assert Folds(cuts=(0.5, 0.75, 1.0)).bounds(1001) == [(500, 750), (750, 1001)]
    with pytest.raises(ValueError, match="at least two rising shares"):
        Folds(cuts=(0.5, 0.5))
