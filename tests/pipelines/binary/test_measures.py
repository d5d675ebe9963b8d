"""Measures of rare events, against cases counted by hand and against their definitions."""

import numpy as np
import pytest

from pipelines.binary import measures
from pipelines.binary.measures import Cost, Scored


def scored(fraud: list[int], probability: list[float], amount: list[float] | None = None) -> Scored:
    return Scored(
        fraud=np.array(fraud), probability=np.array(probability), amount=np.array(amount or [1.0] * len(fraud))
    )


def random_scored(rows: int = 5000, seed: int = 1) -> Scored:
    chance = np.random.default_rng(seed)
    probability = chance.beta(0.2, 5, rows)
    return Scored(
        fraud=(chance.random(rows) < probability).astype(np.int64),
        probability=probability,
        amount=chance.exponential(90, rows),
    )


def test_average_precision_of_a_known_ranking() -> None:
    """Frauds at ranks 1 and 3: (1/1 + 2/3) / 2."""
    assert measures.average_precision(scored([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1])) == pytest.approx(5 / 6)


def test_recall_at_a_precision_is_the_best_threshold_that_has_it() -> None:
    ranking = scored([1, 1, 0, 1, 0, 0], [0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    assert measures.recall_at_precision(ranking, 0.9) == pytest.approx(2 / 3)
    assert measures.recall_at_precision(ranking, 0.75) == 1.0
    assert measures.recall_at_precision(scored([0, 1], [0.9, 0.1]), 0.9) == 0.0


def test_a_missed_fraud_costs_its_amount_and_a_review_a_fixed_price() -> None:
    ranking = scored([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1], [100.0, 3.0, 50.0, 4.0])
    thresholds, cost = Cost(review=10.0).curve(ranking)
    assert thresholds.tolist() == [np.inf, 0.9, 0.8, 0.7, 0.1]
    assert cost.tolist() == [150, 60, 70, 30, 40]


def test_the_threshold_is_the_cheapest_and_confusion_counts_what_it_does() -> None:
    ranking = scored([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1], [100.0, 3.0, 50.0, 4.0])
    cost = Cost(review=10.0)
    threshold = cost.threshold(ranking)
    assert 0.1 < threshold < 0.7
    found = measures.confusion(ranking, threshold, cost)
    assert (found["true_positives"], found["false_positives"], found["false_negatives"]) == (2, 1, 0)
    assert found["cost"] == 30 and found["cost_without_review"] == 150


def test_no_review_pays_where_it_costs_more_than_any_fraud() -> None:
    assert Cost(review=1000.0).threshold(scored([1, 0], [0.9, 0.1])) == 1.0


@pytest.mark.parametrize("review", [1.0, 5.0, 40.0])
def test_the_cost_at_the_threshold_is_the_curves_lowest(review: float) -> None:
    ranking, cost = random_scored(), Cost(review=review)
    at = measures.confusion(ranking, cost.threshold(ranking), cost)["cost"]
    assert at == pytest.approx(cost.curve(ranking)[1].min())


def test_equal_probabilities_are_decided_together() -> None:
    thresholds, cost = Cost(review=1.0).curve(scored([1, 0, 1], [0.5, 0.5, 0.5], [10.0, 10.0, 10.0]))
    assert thresholds.tolist() == [np.inf, 0.5] and cost.tolist() == [20, 3]


def test_reliability_bins_hold_every_row_once_and_true_probabilities_lie_near_the_rates() -> None:
    ranking = random_scored(rows=40_000)
    bins = measures.reliability(ranking)
    assert sum(each["rows"] for each in bins) == 40_000
    assert sum(each["frauds"] for each in bins) == ranking.fraud.sum()
    assert measures.calibration_error(ranking) < 0.01


def test_thinned_curves_keep_the_ends_and_the_lowest_cost() -> None:
    ranking, cost = random_scored(rows=20_000), Cost()
    drawn = measures.curves(ranking, cost)
    assert drawn["precision_recall"]["recall"][0] == 0 and drawn["precision_recall"]["recall"][-1] == 1
    assert drawn["roc"]["true_positive_rate"][-1] == 1
    assert min(drawn["cost"]["cost"]) == pytest.approx(cost.curve(ranking)[1].min(), rel=0.01)
    assert max(len(column) for curve in drawn.values() for column in curve.values()) < 1300


def test_the_histogram_counts_every_row() -> None:
    ranking = random_scored()
    drawn = measures.histogram(ranking)
    assert sum(drawn["normal"]) + sum(drawn["fraud"]) == len(ranking.fraud)


@pytest.mark.parametrize(
    ("fraud", "probability", "message"),
    [
        ([0, 0], [0.1, 0.2], "need frauds and normal rows"),
        ([0, 1], [0.1, float("nan")], r"must lie in \[0, 1\]"),
        ([0, 1], [0.1, 1.1], r"must lie in \[0, 1\]"),
        ([0, 1], [0.1], "a label, an amount and a probability each"),
    ],
)
def test_what_cannot_be_measured_is_refused(fraud: list[int], probability: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scored(fraud, probability)
