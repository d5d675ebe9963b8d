"""What the ensemble must beat: logistic regression, a random forest and boosted trees on the same rows and features."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark.ml import Estimator
from pyspark.ml.classification import LogisticRegression, RandomForestClassifier
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.functions import vector_to_array
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from xgboost.collective import Config
from xgboost.spark import SparkXGBClassifier

from pipelines.binary import measures, predictions
from pipelines.binary.split import recorded
from pipelines.outcome import Outcome, Rows

RATED = ("validation", "test")
TITLES = {"logistic": "Logistic regression", "forest": "Random forest", "xgboost": "XGBoost"}


@dataclass(frozen=True, kw_only=True)
class Baselines:
    """Fit each baseline on ``frame``/train and write its probabilities for the validation and test rows below ``into``.

    Settings are of common use; XGBoost's were the best of five on time-ordered folds of the rows before the test rows, the
    others are untuned. At its own default rate of 0.3 XGBoost falls apart on so few frauds. The forest has sixty
    ``trees``, for it takes longest; XGBoost boosts in ``rounds``.
    """

    frame: Path
    into: Path
    features: tuple[str, ...]
    seed: int
    workers: int = 1
    trees: int = 60
    rounds: int = 400
    label: str = "fraud"
    amount: str = "amount"

    def run(self, spark: SparkSession | None) -> Outcome:
        assert spark is not None
        frames = {part: self.assembled(spark, part) for part in ("train", "validation", "test")}
        frames["train"] = frames["train"].select("assembled", self.label).cache()
        address = str(spark.conf.get("spark.driver.host"))
        seconds = {name: self.score(name, estimator, frames) for name, estimator in self.estimators(address).items()}
        rows, *_ = [self.rated(name) for name in seconds]
        figures = {name: measures.headline(predictions.read(self.into / name / "test")) for name in seconds}
        return Outcome(
            summary="average precision on test rows: "
            + ", ".join(f"{TITLES[name]} {each['average_precision']:.3f}" for name, each in figures.items()),
            rows=rows,
            metrics={f"{name}_average_precision": each["average_precision"] for name, each in figures.items()}
            | {f"{name}_fit_seconds": took for name, took in seconds.items()},
            files={name: str(self.into / name) for name in seconds},
            details={"models": figures, "titles": TITLES},
        )

    def estimators(self, address: str) -> dict[str, Estimator[Any]]:
        """Each baseline, over the column ``assembled``; XGBoost's workers meet at the driver's ``address``."""
        logistic = LogisticRegression(
            featuresCol="assembled", labelCol=self.label, regParam=1e-4, maxIter=100
        )  # it scales features by itself
        forest = RandomForestClassifier(
            featuresCol="assembled", labelCol=self.label, numTrees=self.trees, maxDepth=12, seed=self.seed
        )
        boosted = SparkXGBClassifier(
            features_col="assembled",
            label_col=self.label,
            num_workers=self.workers,
            coll_cfg=Config(tracker_host_ip=address),
            n_estimators=self.rounds,
            max_depth=6,
            learning_rate=0.05,
            subsample=0.8,
            colsample_bytree=0.5,
            reg_lambda=5.0,
            tree_method="hist",
            verbosity=0,
            random_state=self.seed,
        )
        return {"logistic": logistic, "forest": forest, "xgboost": boosted}

    def rated(self, name: str) -> Rows:
        """The frame's validation and test rows against those that a baseline rated."""
        given = sum(predictions.count(self.into / name / part) for part in RATED)
        return Rows(taken=recorded(self.frame, *RATED), given=given)

    def assembled(self, spark: SparkSession, part: str) -> DataFrame:
        """Read one part with its features as a vector."""
        vector = VectorAssembler(inputCols=list(self.features), outputCol="assembled")
        return vector.transform(spark.read.parquet(str(self.frame / part)))

    def score(self, name: str, estimator: Estimator[Any], frames: dict[str, DataFrame]) -> float:
        """Fit one baseline, write its probabilities, and return the seconds that fitting took."""
        began = time.monotonic()
        model = estimator.fit(frames["train"])
        took = time.monotonic() - began
        for part in RATED:
            rated = model.transform(frames[part]).withColumn("probability", vector_to_array(F.col("probability"))[1])
            predictions.write(rated, self.into / name / part, label=self.label, amount=self.amount)
        return took
