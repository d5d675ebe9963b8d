"""Measures of rare events, against cases counted by hand and against their definitions."""

import numpy as np
import pytest

from pipelines.binary.measures import curves, figures
from pipelines.binary.measures.figures import Confusion
from pipelines.binary.measures.scored import Cost, Scored


def scored(label: list[int], probability: list[float], value: list[float] | None = None) -> Scored:
    return Scored(label=np.array(label), probability=np.array(probability), value=np.array(value or [1.0] * len(label)))


def random_scored(rows: int = 5000, seed: int = 1) -> Scored:
    chance = np.random.default_rng(seed)
    probability = chance.beta(0.2, 5, rows)
    return Scored(
        label=(chance.random(rows) < probability).astype(np.int64),
        probability=probability,
        value=chance.exponential(90, rows),
    )


def test_average_precision_of_a_known_ranking() -> None:
    """Frauds at ranks 1 and 3: (1/1 + 2/3) / 2."""
    assert figures.average_precision(scored([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1])) == pytest.approx(5 / 6)


def test_recall_at_a_precision_is_the_best_threshold_that_has_it() -> None:
    ranking = scored([1, 1, 0, 1, 0, 0], [0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    assert figures.recall_at_precision(ranking, 0.9) == pytest.approx(2 / 3)
    assert figures.recall_at_precision(ranking, 0.75) == 1.0
    assert figures.recall_at_precision(scored([0, 1], [0.9, 0.1]), 0.9) == 0.0


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
    found = Confusion.of(ranking, threshold, cost)
    assert (found.true_positives, found.false_positives, found.false_negatives) == (2, 1, 0)
    assert found.cost == 30 and found.cost_without_review == 150


def test_no_review_pays_where_it_costs_more_than_any_fraud() -> None:
    assert Cost(review=1000.0).threshold(scored([1, 0], [0.9, 0.1])) == 1.0


@pytest.mark.parametrize("review", [1.0, 5.0, 40.0])
def test_the_cost_at_the_threshold_is_the_curves_lowest(review: float) -> None:
    ranking, cost = random_scored(), Cost(review=review)
    at = Confusion.of(ranking, cost.threshold(ranking), cost).cost
    assert at == pytest.approx(cost.curve(ranking)[1].min())


def test_equal_probabilities_are_decided_together() -> None:
    thresholds, cost = Cost(review=1.0).curve(scored([1, 0, 1], [0.5, 0.5, 0.5], [10.0, 10.0, 10.0]))
    assert thresholds.tolist() == [np.inf, 0.5] and cost.tolist() == [20, 3]


def test_reliability_bins_hold_every_row_once_and_true_probabilities_lie_near_the_rates() -> None:
    ranking = random_scored(rows=40_000)
    bins = figures.reliability(ranking)
    assert sum(each.rows for each in bins) == 40_000
    assert sum(each.positives for each in bins) == ranking.label.sum()
    assert figures.calibration_error(bins) < 0.01


def test_thinned_curves_keep_the_ends_and_the_lowest_cost() -> None:
    ranking, cost = random_scored(rows=20_000), Cost(review=10.0)
    drawn = curves.precision_by_recall(ranking), curves.roc(ranking), curves.cost_by_threshold(ranking, cost)
    assert drawn[0].x[0] == 0 and drawn[0].x[-1] == 1
    assert drawn[1].y[-1] == 1
    assert min(drawn[2].y) == pytest.approx(cost.curve(ranking)[1].min(), rel=0.01)
    assert max(len(each.x) for each in drawn) < 1300


def test_thinning_keeps_both_sides_of_a_jump() -> None:
    x = np.linspace(0, 1, 100_001)
    found = curves.thinned(x, np.where(x < 0.5, 0.0, 1.0), along=np.where(x < 0.5, 0.0, 1.0))
    assert (found.x, found.y) == ([0.0, 0.49999, 0.5, 1.0], [0.0, 0.0, 1.0, 1.0])


def test_the_histogram_counts_every_row() -> None:
    ranking = random_scored()
    drawn = curves.histogram(ranking)
    assert (sum(drawn.negatives), sum(drawn.positives)) == (len(ranking.label) - ranking.positives, ranking.positives)


@pytest.mark.parametrize(
    ("label", "probability", "message"),
    [
        ([0, 0], [0.1, 0.2], "need positives and negatives"),
        ([0, 1], [0.1, float("nan")], r"must lie in \[0, 1\]"),
        ([0, 1], [0.1, 1.1], r"must lie in \[0, 1\]"),
        ([0, 1], [0.1], "a label, a value and a probability each"),
    ],
)
def test_what_cannot_be_measured_is_refused(label: list[int], probability: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scored(label, probability)
