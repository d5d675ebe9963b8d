"""Whether one model is better than another: a paired bootstrap of the same rows, or the paired differences of several folds."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import stats

from pipelines.binary.measures.scored import Floats, Scored

RESAMPLES = 1000
LEVEL = 0.95


class Ranking:
    """Labels of rows in falling order of a score, ready for the average precision of any weights."""

    def __init__(self, scored: Scored) -> None:
        self.order = np.argsort(-scored.probability, kind="stable")
        self.label = scored.label[self.order]
        self.last = np.append(np.flatnonzero(np.diff(scored.probability[self.order])), len(self.label) - 1)

    def average_precision(self, weights: Floats) -> float:
        """Rows of equal score count together, each row as often as its weight says; some positive row must count."""
        ordered = weights[self.order]
        hits = np.cumsum(ordered * self.label)[self.last]
        taken = np.cumsum(ordered)[self.last]
        gained = np.diff(hits, prepend=0.0)
        return float((gained * hits / np.maximum(taken, 1e-9)).sum() / hits[-1])


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Where a difference lies with a confidence of ``LEVEL``."""

    low: float
    high: float

    @classmethod
    def of(cls, differences: Floats) -> "Interval":
        low, high = np.quantile(differences, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return cls(low=float(low), high=float(high))

    @classmethod
    def paired(cls, differences: Floats) -> "Interval":
        """Of the mean difference, by Student's t, of differences of several folds or weeks, each taken for a draw of its own."""
        if len(differences) < 2:
            raise ValueError(f"an interval of a mean needs at least two differences, got {len(differences)}")
        error = float(np.std(differences, ddof=1)) / len(differences) ** 0.5
        reach = float(stats.t.ppf((1 + LEVEL) / 2, len(differences) - 1)) * error
        mean = float(np.mean(differences))
        return cls(low=mean - reach, high=mean + reach)


def lead(first: Scored, second: Scored, seed: int = 0) -> Interval:
    """By how much the first model's average precision is above the second's, both on the same rows in the same order."""
    if not np.array_equal(first.label, second.label):
        raise ValueError(
            f"models are compared on the same rows, got {len(first.label)} and {len(second.label)} with other labels"
        )
    rankings = [Ranking(each) for each in (first, second)]
    found = [
        rankings[0].average_precision(weights) - rankings[1].average_precision(weights)
        for weights in resamples(first.label, seed)
    ]
    return Interval.of(np.array(found))


def resamples(label: Floats | np.ndarray, seed: int = 0) -> Iterator[Floats]:
    """How often each row is drawn in each bootstrap sample; one without a positive row is drawn again."""
    chance, rows = np.random.default_rng(seed), len(label)
    for _ in range(RESAMPLES):
        weights = np.zeros(rows)
        while not weights[label == 1].any():
            weights = np.bincount(chance.integers(0, rows, rows), minlength=rows).astype(np.float64)
        yield weights
