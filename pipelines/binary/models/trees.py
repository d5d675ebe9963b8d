"""Trees as their users make them: each kind with the settings that its trials are drawn from, fitted on arrays in one process."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from threadpoolctl import threadpool_limits
from xgboost import XGBClassifier

Floats = NDArray[np.float64]
Setting = Mapping[str, Any]
Rate = Callable[[Floats], Floats]
"""Rates rows (N, F) of features: probabilities (N,)."""


@dataclass(frozen=True, kw_only=True)
class Trees:
    """``draw`` takes a trial's setting from a generator; ``make`` makes the classifier of a setting, a seed and a number of threads."""

    title: str
    draw: Callable[[np.random.Generator], Setting]
    make: Callable[[Setting, int, int], Any]

    def fit(
        self, setting: Setting, rows_NF: Floats, label_N: NDArray[np.int64], *, seed: int, threads: int = 1
    ) -> Rate:
        model = self.make(setting, seed, threads)
        with threadpool_limits(threads, user_api="openmp"):  # histogram boosting asks for all cores
            model.fit(rows_NF, label_N)
        return lambda others_NF: np.asarray(model.predict_proba(others_NF)[:, 1], dtype=np.float64)

    def trials(self, count: int) -> list[Setting]:
        """The same settings each time, and the first of them are those of a smaller ``count``."""
        chance = np.random.default_rng(0)
        return [self.draw(chance) for _ in range(count)]


def spread(chance: np.random.Generator, low: float, high: float) -> float:
    """A number of [low, high) whose logarithm is uniform."""
    return float(np.exp(chance.uniform(np.log(low), np.log(high))))


def _xgboost(chance: np.random.Generator) -> Setting:
    return {
        "max_depth": int(chance.integers(2, 9)),
        "learning_rate": spread(chance, 0.02, 0.3),
        "n_estimators": int(chance.choice([100, 200, 400])),
        "subsample": float(chance.uniform(0.6, 1)),
        "colsample_bytree": float(chance.uniform(0.4, 1)),
        "reg_lambda": spread(chance, 0.3, 30),
        "min_child_weight": spread(chance, 0.3, 30),
    }


def _forest(chance: np.random.Generator) -> Setting:
    return {
        "n_estimators": 100,
        "max_depth": [8, 12, 16, None][chance.integers(4)],
        "max_features": float(chance.uniform(0.15, 0.8)),
        "min_samples_leaf": int(chance.choice([1, 2, 5, 10])),
    }


def _histogram(chance: np.random.Generator) -> Setting:
    return {
        "learning_rate": spread(chance, 0.02, 0.3),
        "max_iter": int(chance.choice([50, 100, 200, 400])),
        "max_leaf_nodes": int(chance.choice([4, 8, 15, 31])),
        "min_samples_leaf": int(chance.choice([10, 20, 50, 100])),
        "l2_regularization": spread(chance, 0.1, 30),
        "max_features": float(chance.uniform(0.3, 1)),
    }


XGBOOST = Trees(
    title="XGBoost",
    draw=_xgboost,
    make=lambda setting, seed, threads: XGBClassifier(
        **setting, tree_method="hist", n_jobs=threads, random_state=seed, verbosity=0
    ),
)
FOREST = Trees(
    title="Random forest",
    draw=_forest,
    make=lambda setting, seed, threads: RandomForestClassifier(**setting, n_jobs=threads, random_state=seed),
)
HISTOGRAM = Trees(
    title="Histogram boosting",
    draw=_histogram,
    make=lambda setting, seed, _: HistGradientBoostingClassifier(**setting, early_stopping=False, random_state=seed),
)
