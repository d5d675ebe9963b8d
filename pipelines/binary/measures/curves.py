"""The curves and the histogram of one model's scores, thinned to what a chart can show."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

from pipelines.binary.measures.scored import Cost, Floats, Scored, log_odds

CELLS = 300
"""About how many points of a curve are kept."""

SEEN = 1e-9
"""Probabilities nearer to 0 or 1 than this are drawn as this near."""

FARTHEST = 14
"""Log-odds beyond which the histogram does not reach."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Points of a line, x and y equally long."""

    x: list[float]
    y: list[float]


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """Counts of negatives and of positives by log-odds, between ``edges``."""

    edges: list[float]
    negatives: list[int]
    positives: list[int]


def precision_by_recall(scored: Scored) -> Curve:
    precision, recall, _ = precision_recall_curve(scored.label, scored.probability)
    return thinned(recall[::-1], precision[::-1], along=recall[::-1])


def roc(scored: Scored) -> Curve:
    """True-positive rate by false-positive rate."""
    false, true, _ = roc_curve(scored.label, scored.probability)
    return thinned(false, true, along=true)


def cost_by_threshold(scored: Scored, cost: Cost) -> Curve:
    thresholds, costs = (values[1:] for values in cost.curve(scored))  # the first threshold is infinite
    return thinned(thresholds, costs, along=log_odds(thresholds, least=SEEN))


def histogram(scored: Scored, bins: int = 48) -> Histogram:
    seen = np.clip(log_odds(scored.probability, least=SEEN), -FARTHEST, FARTHEST)
    edges = np.linspace(-FARTHEST, FARTHEST, bins + 1)
    counts: Mapping[int, list[int]] = {
        label: np.histogram(seen[scored.label == label], edges)[0].tolist() for label in (0, 1)
    }
    return Histogram(edges=edges.tolist(), negatives=counts[0], positives=counts[1])


def thinned(x: Floats, y: Floats, *, along: Floats) -> Curve:
    """The points at which ``along`` enters another of ``CELLS`` equal parts of its range, and the point before each.

    Both sides of a jump are so kept, and with them every corner; the first and the last point are kept too.
    """
    low, high = along.min(), along.max()
    cell = np.floor((along - low) / ((high - low) or 1.0) * CELLS)
    entered = np.flatnonzero(np.diff(cell)) + 1
    kept = np.unique(np.concatenate([[0], entered - 1, entered, [len(along) - 1]]))
    return Curve(x=_rounded(x[kept]), y=_rounded(y[kept]))


def _rounded(values: Floats) -> list[float]:
    """To five digits, which a chart does not show either."""
    return [float(f"{value:.5g}") for value in values]
