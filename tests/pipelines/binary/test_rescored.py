"""An ensemble of two kinds of networks in f32 and int8: torch's probabilities, and a threshold, figures and meetings of what scores."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession
from sklearn.metrics import average_precision_score

from apps.fraud.model import FITTING
from dlcore import Artifact, AveragePrecision
from pipelines.binary.evaluate import Evaluate
from pipelines.binary.frames.split import Frames
from pipelines.binary.measures.scored import Cost, Scored
from pipelines.binary.meeting import Meeting
from pipelines.binary.models.balance import Balance
from pipelines.binary.models.ensemble import Member, models
from pipelines.binary.models.fitting import Setting
from pipelines.binary.rescored import Rescored, sample, validation
from pipelines.binary.score import scored
from pipelines.outcome import Outcome, Rows
from pipelines.quantise import Candidate, Precision, Quantise, Quantised
from pipelines.section import Listing
from tests.pipelines import frames

COST = Cost(review=10.0)
SETTINGS: tuple[Setting, ...] = (
    {"network": "mlp", "width": 8, "depth": 1, "dropout": 0.1, "lr": 0.05, "weight_decay": 1e-4},
    {"network": "cnn", "width": 4, "depth": 1, "dropout": 0.1, "lr": 0.05, "weight_decay": 1e-4},
)


@pytest.fixture(scope="module")
def frame(tmp_path_factory: pytest.TempPathFactory) -> Frames:
    return frames.write(tmp_path_factory.mktemp("rescored") / "frame", frames.rows())


def member(frame: Frames, setting: Setting) -> Member:
    """Trained in this process, on training rows as they are."""
    train, into = pd.read_parquet(frame.path("train")), frame.folder.parent / setting["network"]
    training = FITTING.of(setting, frame.statistics, len(train), batch=64, epochs=6, seed=1)
    training.fit(train, features=list(frames.FEATURES), label="fraud").save(str(into))
    positives = int(train["fraud"].sum())
    return Member(
        folder=into,
        network=setting["network"],
        features=len(frames.FEATURES),
        arguments=FITTING.arguments(setting),
        balance=Balance(rows=len(train), positives=positives, drawn_rows=len(train), drawn_positives=positives),
    )


@pytest.fixture(scope="module")
def candidate(frame: Frames) -> Path:
    step = Evaluate(
        frames=frame,
        members=tuple(member(frame, setting) for setting in SETTINGS),
        baselines=(),
        into=frame.folder.parent / "candidate",
        networks=FITTING.networks,
        roles=frames.ROLES,
        cost=COST,
        partitions=(),
        versions={},
        seed=7,
        importance_rows=100,
    )
    return step.run(None).left(Candidate).folder


load = partial(Artifact.load, models=models(FITTING.networks))


@pytest.fixture(scope="module")
def outcome(frame: Frames, candidate: Path) -> Outcome:
    step = Quantise(
        candidate=candidate,
        into=candidate.parent / "quantised",
        load=load,
        calibration=lambda _: sample(frame, "fraud"),
        validation=lambda _: validation(frame, "fraud"),
        label="fraud",
        metric=AveragePrecision(),
        bound=1.0,
        choose=Rescored(frames=frame, roles=frames.ROLES, cost=COST),
    )
    return step.run(None)


@pytest.fixture(scope="module")
def made(outcome: Outcome) -> Artifact:
    return load(str(outcome.left(Quantised).folder))


def rated(artifact: Artifact, frame: Frames, part: str, precision: Precision | None) -> Scored:
    rows = pd.read_parquet(frame.path(part)).sort_values(["source_file", "source_line"])
    found = artifact.predict(rows, precision=precision)
    return Scored(
        label=rows["fraud"].to_numpy(np.int64),
        value=rows["amount"].to_numpy(),
        probability=found["probability"].to_numpy(),
    )


def test_the_whole_average_and_its_calibration_give_torchs_probabilities(frame: Frames, made: Artifact) -> None:
    torchs, f32, int8 = (rated(made, frame, "test", each).probability for each in (None, "f32", "int8"))
    assert f32.tolist() == pytest.approx(torchs.tolist(), rel=1e-5)
    assert 0 < np.abs(int8 - torchs).mean() < 0.02 and np.corrcoef(int8, torchs)[0, 1] > 0.95
    assert len(np.unique(int8)) > 256


def test_the_threshold_and_the_figures_are_of_what_scores(
    frame: Frames, candidate: Path, made: Artifact, outcome: Outcome
) -> None:
    before, test = load(str(candidate)).details, rated(made, frame, "test", "int8")
    assert made.details["threshold"] == pytest.approx(COST.threshold(rated(made, frame, "validation", "int8")))
    reached = average_precision_score(test.label, test.probability)
    assert made.details["test"]["average_precision"] == pytest.approx(reached)
    assert made.details["test"]["brier"] != before["test"]["brier"]
    assert made.details["validation"]["fingerprint"] == before["validation"]["fingerprint"]
    assert outcome.rows == Rows(taken=1200, given=1200)
    (listing,) = [part for part in outcome.sections[0].parts if isinstance(part, Listing) and len(part.columns) > 3]
    assert [line.cells[0] for line in listing.lines] == ["torch, as evaluated", "int8, as it scores"]
    assert listing.lines[1].cells[1] == f"{reached:.4f}"


def test_scores_in_spark_are_of_the_precision_that_the_artifact_says(
    spark: SparkSession, frame: Frames, made: Artifact, tmp_path: Path
) -> None:
    rows = spark.read.parquet(str(frame.path("test")))
    given = scored(rows, made, FITTING.networks, frames.ROLES.key, tmp_path)
    found = pd.DataFrame(given.toPandas()).sort_values("source_line")
    expected = rated(made, frame, "test", "int8").probability
    assert found["probability"].tolist() == pytest.approx(expected.tolist(), rel=1e-5)
    assert found["decision"].tolist() == (found["probability"] >= made.details["threshold"]).astype(int).tolist()


def test_champion_and_challenger_meet_as_each_scores(frame: Frames, candidate: Path, made: Artifact) -> None:
    """The champion is of before there was a choice, and scores by torch."""
    champion = load(str(candidate))
    meeting = Meeting(frames=frame, networks=FITTING.networks, roles=frames.ROLES, scratch=frame.folder)
    found = meeting(None, champion, made)
    assert found.champion == pytest.approx(champion.details["test"]["average_precision"])
    assert found.challenger == pytest.approx(made.details["test"]["average_precision"])


def test_int8_is_calibrated_on_positives_and_negatives_of_all_times(frame: Frames) -> None:
    found, train = sample(frame, "fraud", rows=60), pd.read_parquet(frame.path("train"))
    assert found.column_names == list(frames.FEATURES) and found.equals(sample(frame, "fraud", rows=60))
    places = train.reset_index().merge(found.to_pandas(), on=list(frames.FEATURES))
    assert places["fraud"].sum() == 30 and len(places) == 60
    assert places["index"].min() == 0 and places["index"].max() == len(train) - 1
    few = sample(frame, "fraud", rows=1000).to_pandas().merge(train, on=list(frames.FEATURES))
    assert (len(few), few["fraud"].sum()) == (1000, 54)
