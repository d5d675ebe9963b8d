"""A Spark ML Pipeline is part of the features: fitted on training rows alone, kept in the artifact, and the same in scoring."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from pyspark.ml import Pipeline
from pyspark.ml.feature import Imputer, OneHotEncoder, StandardScaler, StringIndexer, VectorAssembler
from pyspark.sql import SparkSession

from apps.fraud.model import FITTING, MLP
from dlcore import Artifact
from infra.tables import snapshots
from infra.tables.hive import Partition
from pipelines.binary.evaluate import Evaluate
from pipelines.binary.frames.bag import Bag
from pipelines.binary.frames.split import Frames, Split
from pipelines.binary.measures.scored import Cost
from pipelines.binary.meeting import Meeting
from pipelines.binary.models.ensemble import Member, models
from pipelines.binary.score import scored
from pipelines.binary.train import Train
from pipelines.dated.pin import TablePin
from pipelines.outcome import Rows
from pipelines.quantise import Candidate
from tests.pipelines import frames

COLUMNS = ("a", "b_filled", "shop_hot", "scaled")


def pipeline() -> Pipeline:
    """Strings indexed and one-hot, a column with nulls imputed, two columns scaled."""
    return Pipeline(
        stages=[
            Imputer(inputCols=["b"], outputCols=["b_filled"], strategy="median"),
            StringIndexer(inputCol="shop", outputCol="shop_index", handleInvalid="keep"),
            OneHotEncoder(inputCol="shop_index", outputCol="shop_hot", dropLast=False),
            VectorAssembler(inputCols=["c", "d"], outputCol="both"),
            StandardScaler(inputCol="both", outputCol="scaled", withMean=True),
        ]
    )


def shops(count: int = 2000) -> pd.DataFrame:
    """Rows with a shop's name that tells much, one of which only the test rows have, and holes in b."""
    rows, chance = frames.rows(count, frauds=count // 20), np.random.default_rng(1)
    names = np.where(
        rows["fraud"] == 1, chance.choice(["east", "north"], count), chance.choice(["west", "north"], count)
    )
    names[-200:] = "new"
    return rows.assign(shop=names, b=rows["b"].where(chance.random(count) > 0.2))


@pytest.fixture(scope="module")
def pinned(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Partition:
    location = f"{tmp_path_factory.mktemp('shops')}/ds=2013-09-01/00000001-a"
    rows = spark.createDataFrame(shops()).selectExpr("*", "IF(isnan(b), NULL, b) AS holes").drop("b")
    rows = rows.withColumnRenamed("holes", "b")
    written = snapshots.write(rows, location, run="a run", schema_version=1)
    snapshots.seal(spark, location, written)
    return Partition(
        table="shops.features", ds="2013-09-01", location=location, fingerprint=written.fingerprint, rows=written.rows
    )


@pytest.fixture(scope="module")
def split(spark: SparkSession, pinned: Partition, tmp_path_factory: pytest.TempPathFactory) -> Frames:
    into = tmp_path_factory.mktemp("split")
    pin = TablePin(partitions=(pinned,))
    step = Split(rows=pin, features=COLUMNS, into=into, roles=frames.ROLES, pipeline=pipeline)
    return step.run(spark).left(Frames)


def test_strings_nulls_and_vectors_become_numbers_by_training_rows_alone(split: Frames) -> None:
    assert split.features == ("a", "b_filled", *[f"shop_hot_{at}" for at in range(4)], "scaled_0", "scaled_1")
    train, test = (pd.read_parquet(split.path(part)) for part in ("train", "test"))
    seen = shops()[:1200]
    assert train["b_filled"].isna().sum() == 0
    filled = train.loc[train["b"].isna(), "b_filled"].unique()
    assert filled.tolist() == pytest.approx([seen["b"].median()], rel=0.01)
    assert train["scaled_0"].mean() == pytest.approx(0, abs=1e-9) and abs(test["scaled_0"].mean()) > 0
    assert set(train["shop"]) == {"east", "west", "north"} and train["shop_hot_3"].sum() == 0
    assert test.loc[test["shop"] == "new", "shop_hot_3"].tolist() == [1.0] * 200


@pytest.fixture(scope="module")
def evaluated(
    spark: SparkSession, pinned: Partition, split: Frames, tmp_path_factory: pytest.TempPathFactory
) -> Artifact:
    into = tmp_path_factory.mktemp("evaluated")
    training = partial(FITTING.of, MLP, split.statistics, batch=64, epochs=6, seed=1)
    train = Train(
        frames=split,
        into=into / "member",
        bag=Bag(seed=7, member=0, roles=frames.ROLES),
        fitting=FITTING,
        setting=MLP,
        training=training,
        workers=1,
    )
    step = Evaluate(
        frames=split,
        members=(train.run(spark).left(Member),),
        baselines=(),
        into=into / "candidate",
        networks=FITTING.networks,
        roles=frames.ROLES,
        cost=Cost(review=10.0),
        partitions=(pinned,),
        versions={},
        seed=7,
    )
    outcome = step.run(None)
    assert outcome.rows == Rows(taken=800, given=800)
    return Artifact.load(str(outcome.left(Candidate).folder))


def test_the_artifact_keeps_it_and_scoring_raw_rows_gives_the_same_probabilities(
    spark: SparkSession, split: Frames, evaluated: Artifact, tmp_path: Path
) -> None:
    """As evaluation saw, without a column that it made, and long after the run's folder is gone."""
    raw = split.read(spark, "test").select(
        "source_file", "source_line", "a", "b", "c", "d", "shop", "time_s", "amount", "fraud"
    )
    found = pd.DataFrame(scored(raw, evaluated, FITTING.networks, frames.ROLES.key, tmp_path).toPandas())
    module = evaluated.module(models(FITTING.networks))
    test = pd.read_parquet(split.path("test")).sort_values("source_line")
    with torch.inference_mode():
        expected = module(torch.from_numpy(test[list(split.features)].to_numpy(np.float32))).numpy()
    assert found.sort_values("source_line")["probability"].tolist() == pytest.approx(expected.tolist(), rel=1e-5)
    assert (tmp_path / evaluated.id / "preparation" / "metadata").is_dir()


def test_a_champion_prepares_the_challengers_rows_by_its_own_pipeline(
    spark: SparkSession, split: Frames, evaluated: Artifact, tmp_path: Path
) -> None:
    meeting = Meeting(frames=split, networks=FITTING.networks, roles=frames.ROLES, scratch=tmp_path)
    others = replace(split, prepared=None)
    found = meeting(spark, evaluated, evaluated)
    assert found.rows == split.rows("test") and (found.low, found.high) == (0, 0)
    assert replace(meeting, frames=others)(spark, evaluated, evaluated).champion == found.champion
