"""Metrics have scikit-learn's figures, and the same bits however rows are shared out and ordered."""

import math
import random
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn import metrics as theirs
from torch import Tensor

from dlcore import (
    F1,
    NDCG,
    R2,
    Accuracy,
    AveragePrecision,
    ConfusionMatrix,
    HitRatio,
    MeanAbsoluteError,
    Metric,
    Precision,
    Recall,
    RocAuc,
    RootMeanSquaredError,
    TopAccuracy,
)
from dlcore.metrics.exact import exact_sum, total
from dlcore.metrics.tally import Tally

ROWS = 400
CHANCE = np.random.default_rng(5)
PREDICTED: Mapping[str, NDArray[Any]] = {
    "score": CHANCE.standard_normal(ROWS).round(1),  # with ties
    "classes": CHANCE.standard_normal((ROWS, 5)),  # of which the last never occurs
    "number": CHANCE.standard_normal(ROWS) * 1e3 + 1e6,
    "ranked": CHANCE.standard_normal(ROWS),
}
ACTUAL: Mapping[str, NDArray[Any]] = {
    "score": (PREDICTED["score"] + CHANCE.standard_normal(ROWS) > 1).astype(np.int64),
    "classes": CHANCE.integers(0, 4, ROWS),
    "number": PREDICTED["number"] + CHANCE.standard_normal(ROWS) * 100,
    "ranked": CHANCE.integers(0, 4, ROWS).astype(np.float32),
    "list": CHANCE.integers(0, 30, ROWS) * 7 - 50,
}
PREDICTION = {name: torch.tensor(each, dtype=torch.float32) for name, each in PREDICTED.items()}
TARGET = {name: torch.tensor(each) for name, each in ACTUAL.items()}
TARGET["number"] = TARGET["number"].float()

SCORE, FOUND = PREDICTION["score"].numpy(), PREDICTED["score"] > 0
CLASS, TRUE = PREDICTED["classes"].argmax(1), ACTUAL["classes"]
NUMBER, REAL = (each["number"].double().numpy() for each in (PREDICTION, TARGET))
LISTS = [np.flatnonzero(ACTUAL["list"] == each) for each in np.unique(ACTUAL["list"])]
RANKED, WANTED = PREDICTION["ranked"].numpy(), ACTUAL["ranked"]


def hit(rows: NDArray[Any], k: int) -> bool:
    return bool((WANTED[rows][np.argsort(-RANKED[rows])[:k]] > 0).any())


FIGURES: list[tuple[Metric, float]] = [
    (Accuracy(of="classes", name="right"), theirs.accuracy_score(TRUE, CLASS)),
    (TopAccuracy(k=2, of="classes"), theirs.top_k_accuracy_score(TRUE, PREDICTION["classes"], k=2, labels=range(5))),
    (Precision(of="score"), theirs.precision_score(ACTUAL["score"], FOUND)),
    (Recall(of="score"), theirs.recall_score(ACTUAL["score"], FOUND)),
    (F1(of="score"), theirs.f1_score(ACTUAL["score"], FOUND)),
    *(
        (
            kind(of="classes", average=average, name=f"{kind.__name__} {average}"),
            function(TRUE, CLASS, average=average, zero_division=0),
        )
        for kind, function in (
            (Precision, theirs.precision_score),
            (Recall, theirs.recall_score),
            (F1, theirs.f1_score),
        )
        for average in ("macro", "micro", "weighted")
    ),
    (ConfusionMatrix(of="classes"), (TRUE != CLASS).sum()),
    (RocAuc(of="score"), theirs.roc_auc_score(ACTUAL["score"], SCORE)),
    (AveragePrecision(of="score"), theirs.average_precision_score(ACTUAL["score"], SCORE)),
    (MeanAbsoluteError(of="number"), theirs.mean_absolute_error(REAL, NUMBER)),
    (RootMeanSquaredError(of="number"), math.sqrt(theirs.mean_squared_error(REAL, NUMBER))),
    (R2(of="number"), theirs.r2_score(REAL, NUMBER)),
    (HitRatio(k=1, by="list", of="ranked"), float(np.mean([hit(rows, 1) for rows in LISTS]))),
    (HitRatio(k=10, by="list", of="ranked"), float(np.mean([hit(rows, 10) for rows in LISTS]))),
    (
        NDCG(k=5, by="list", of="ranked"),
        np.mean([theirs.ndcg_score(WANTED[None, rows], RANKED[None, rows], k=5) for rows in LISTS]),
    ),
]
METRICS = [metric for metric, _ in FIGURES]


def figures(metrics: Sequence[Metric], *batches: Tensor) -> dict[str, float]:
    """The figures of rows that so many workers have counted, each a batch of its own."""
    everyone = Tally(metrics)
    for rows in batches:
        mine = Tally(metrics)
        mine.add({name: each[rows] for name, each in PREDICTION.items()}, {k: each[rows] for k, each in TARGET.items()})
        everyone.add_bytes(mine.to_bytes())
    return everyone.results()


WHOLE = figures(METRICS, torch.arange(ROWS))


@pytest.mark.parametrize(("metric", "figure"), FIGURES, ids=[m.name for m in METRICS])
def test_a_figure_is_that_of_scikit_learn(metric: Metric, figure: float) -> None:
    assert WHOLE[metric.name] == pytest.approx(figure, rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_any_sharding_and_order_gives_the_same_bits(seed: int) -> None:
    order = torch.randperm(ROWS, generator=torch.Generator().manual_seed(seed))
    cuts = sorted(random.Random(seed).sample(range(1, ROWS), 11))
    assert figures(METRICS, *order.tensor_split(cuts)) == WHOLE


def test_a_confusion_matrix_comes_back_from_its_figures() -> None:
    matrix = ConfusionMatrix(of="classes").matrix(WHOLE)
    assert matrix == theirs.confusion_matrix(TRUE, CLASS, labels=range(5)).tolist()


def test_exact_sums_are_those_of_fractions() -> None:
    values = [1e300, -1e300, 5e-324, -0.1, 0.3, 2.0**60, 1e-200, 0.0, -(2.0**-1074)]
    terms = exact_sum(torch.tensor(values[:4], dtype=torch.float64)), exact_sum(torch.tensor(values[4:]).double() * 1.0)
    assert total(exact_sum(torch.tensor(values, dtype=torch.float64))) == sum(map(Fraction, values))
    assert float(total(terms[0])) == math.fsum(values[:4])
    assert math.isnan(total(terms[0] + exact_sum(torch.tensor([math.inf]))))


def test_figures_at_the_edges() -> None:
    def found(metric: Metric, prediction: Any, target: Any) -> float:
        tally = Tally([metric])
        tally.add(torch.tensor(prediction), torch.tensor(target))
        return tally.results()[metric.name]

    assert math.isnan(found(RocAuc(), [0.5, 1.0], [1.0, 1.0]))
    assert math.isnan(found(R2(), [0.5, 1.0], [2.0, 2.0]))
    assert math.isnan(found(MeanAbsoluteError(), [math.nan, 1.0], [2.0, 2.0]))
    assert found(AveragePrecision(), [0.5, 1.0], [0.0, 0.0]) == 0
    assert found(Precision(), [-1.0, -1.0], [1, 1]) == 0
    assert found(TopAccuracy(k=1), [[0.5, 0.5], [0.5, 0.5]], [0, 1]) == 0.5  # a constant model is no good one
    assert found(Recall(average="macro"), [[0.0, 1.0], [1.0, 0.0]], [1, -100]) == 1


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (lambda: TopAccuracy(k=0), r"TopAccuracy\.k must be at least 1, got 0"),
        (lambda: NDCG(k=0, by="a", of="b"), r"NDCG\.k must be at least 1, got 0"),
        (lambda: F1(average="mean"), r"F1\.average must be one of .*, got 'mean'"),  # type: ignore[arg-type]
        (lambda: F1().update(torch.zeros(2, 3), torch.zeros(2)), "is of two classes, got 3"),
        (lambda: F1().update(torch.zeros(2, 2), torch.tensor([0, 5])), "classes must be 0 to 1, got"),
        (lambda: R2().update(torch.zeros(2, 3), torch.zeros(2)), "one output and one target a row, got 6 for 2"),
    ],
)
def test_what_a_metric_cannot_judge_is_refused(wrong: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        wrong()
