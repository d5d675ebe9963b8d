"""What the ensemble must beat: logistic regression, a random forest and boosted trees, two kinds, on the same rows and features.

Spark ML fits the first two by all tasks. A boosted kind is fitted by one task, which holds the training rows in memory: XGBoost's own
way on Spark takes a barrier stage, and Spark grants none where executors come on demand.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.ml import Estimator
from pyspark.ml.classification import LogisticRegression, RandomForestClassifier
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.functions import vector_to_array
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines.binary.frames.roles import Roles
from pipelines.binary.frames.split import Frames
from pipelines.binary.measures import predictions
from pipelines.binary.measures.figures import average_precision
from pipelines.binary.measures.rated import Rated
from pipelines.binary.measures.scored import Scored
from pipelines.binary.models.trees import FOREST, HISTOGRAM, XGBOOST, Setting, Trees
from pipelines.outcome import Outcome, Rows

RATED = ("validation", "test")
BOOSTED: Mapping[str, tuple[Trees, Setting]] = {
    "xgboost": (
        XGBOOST,
        {
            "n_estimators": 400,
            "max_depth": 6,
            "learning_rate": 0.05,
            "subsample": 0.8,
            "colsample_bytree": 0.5,
            "reg_lambda": 5.0,
        },
    ),
    "histogram": (
        HISTOGRAM,
        {"max_iter": 200, "learning_rate": 0.05, "max_leaf_nodes": 15, "l2_regularization": 5.0},
    ),
}
"""Each boosted kind, with the setting that it has where an app has none of its own."""

TITLES = {"logistic": "Logistic regression", "forest": FOREST.title} | {
    name: trees.title for name, (trees, _) in BOOSTED.items()
}


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A fitted baseline: the folder of its probabilities for the validation and the test rows."""

    title: str
    folder: Path

    def rated(self, roles: Roles) -> Rated:
        validation, test = (self.scored(part, roles) for part in RATED)
        return Rated(title=self.title, validation=validation, test=test)

    def scored(self, part: str, roles: Roles) -> Scored:
        return predictions.read(self.folder / part, roles)


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What the step leaves: every baseline."""

    baselines: tuple[Baseline, ...]


@dataclass(frozen=True, kw_only=True)
class Baselines:
    """Fit each baseline on the training rows and write its probabilities for the validation and test rows below ``into``.

    ``settings`` are an app's own for XGBoost ("xgboost") and scikit-learn's histogram boosting ("histogram"), by their own names, as its
    trials found them; others are of common use. The forest has sixty ``trees``, for it takes longest. A boosted kind holds its rows in
    one task's memory: of more than ``boosted_rows`` training rows it is fitted on so many, drawn by the seed.
    """

    frames: Frames
    into: Path
    roles: Roles
    seed: int
    trees: int = 60
    boosted_rows: int = 1_000_000
    settings: Mapping[str, Setting] = field(default_factory=dict)

    def run(self, spark: SparkSession | None) -> Outcome:
        assert spark is not None
        parts = {part: self.assembled(spark, part) for part in ("train", *RATED)}
        parts["train"] = parts["train"].select("assembled", self.roles.label).cache()
        seconds = {name: self.score(name, each, parts) for name, each in self.estimators().items()}
        seconds |= {name: self.boosted(name, spark) for name in BOOSTED}
        found = {name: Baseline(title=TITLES[name], folder=self.into / name) for name in seconds}
        reached = {name: average_precision(each.scored("test", self.roles)) for name, each in found.items()}
        rows, *_ = [self.rows(each) for each in found.values()]
        return Outcome(
            summary="average precision on test rows: "
            + ", ".join(f"{TITLES[name]} {each:.3f}" for name, each in reached.items())
            + self.sampled(),
            rows=rows,
            metrics={f"{name}_average_precision": each for name, each in reached.items()}
            | {f"{name}_fit_seconds": took for name, took in seconds.items()},
            result=Fitted(baselines=tuple(found.values())),
        )

    def estimators(self) -> dict[str, Estimator[Any]]:
        """Each baseline of Spark ML's, over the column ``assembled``."""
        logistic = LogisticRegression(
            featuresCol="assembled", labelCol=self.roles.label, regParam=1e-4, maxIter=100
        )  # it scales features by itself
        forest = RandomForestClassifier(
            featuresCol="assembled", labelCol=self.roles.label, numTrees=self.trees, maxDepth=12, seed=self.seed
        )
        return {"logistic": logistic, "forest": forest}

    def sampled(self) -> str:
        """What is to be said of fits on some of the rows alone."""
        rows = self.frames.rows("train")
        if rows <= self.boosted_rows:
            return ""
        named = " and ".join(TITLES[name] for name in BOOSTED)
        return f"; {named} were fitted on {self.boosted_rows:,} of {rows:,} training rows, drawn by the seed"

    def boosted(self, name: str, spark: SparkSession) -> float:
        """Fit one baseline in a task of its own, which writes its probabilities, and return the seconds that fitting took."""
        setting, into = self.settings.get(name, BOOSTED[name][1]), self.into / name
        fit = partial(boosted, name, setting, self.frames, self.roles, into, seed=self.seed, most=self.boosted_rows)
        return float(spark.sparkContext.parallelize([0], 1).map(lambda _: fit()).collect()[0])

    def rows(self, baseline: Baseline) -> Rows:
        """The validation and test rows against those that a baseline rated."""
        given = sum(predictions.count(baseline.folder / part) for part in RATED)
        return Rows(taken=self.frames.rows(*RATED), given=given)

    def assembled(self, spark: SparkSession, part: str) -> DataFrame:
        """Read one part with its features as a vector."""
        vector = VectorAssembler(inputCols=list(self.frames.features), outputCol="assembled")
        return vector.transform(self.frames.read(spark, part))

    def score(self, name: str, estimator: Estimator[Any], parts: dict[str, DataFrame]) -> float:
        """Fit one baseline, write its probabilities, and return the seconds that fitting took."""
        began = time.monotonic()
        model = estimator.fit(parts["train"])
        took = time.monotonic() - began
        for part in RATED:
            rated = model.transform(parts[part]).withColumn("probability", vector_to_array(F.col("probability"))[1])
            predictions.write(rated, self.into / name / part, self.roles)
        return took


def boosted(name: str, setting: Setting, frames: Frames, roles: Roles, into: Path, *, seed: int, most: int) -> float:
    """What the task does: ``Baselines.boosted`` without Spark."""
    trees, _ = BOOSTED[name]
    names, rows = list(frames.features), frames.rows("train")
    drawn = np.arange(rows)
    if rows > most:
        drawn = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
    train = predictions.at(frames.path("train"), drawn, [*names, roles.label])
    label_N = train[roles.label].to_numpy().astype(np.int64)
    began = time.monotonic()
    rate = trees.fit(setting, values(train, names), label_N, seed=seed)
    took = time.monotonic() - began
    for part in RATED:
        given = predictions.batches(frames.path(part), list(dict.fromkeys([*roles.kept, *names])))
        predictions.lay(given, lambda batch: rate(values(batch, names)), into / part, roles)
    return took


def values(rows: pa.RecordBatch | pa.Table, names: list[str]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Columns (N, F) of rows."""
    return np.column_stack([rows[name].to_numpy(zero_copy_only=False).astype(np.float64) for name in names])
