"""How good scores of rare events are: pure functions of labels, probabilities and amounts, never of accuracy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

Floats = NDArray[np.float64]
BINS = (0.0, 0.001, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0)


@dataclass(frozen=True, kw_only=True)
class Scored:
    """Rows with their label (0 or 1), amount and probability of fraud, equally long; both labels must occur."""

    fraud: NDArray[np.int64]
    amount: Floats
    probability: Floats

    def __post_init__(self) -> None:
        if not len(self.fraud) == len(self.amount) == len(self.probability):
            raise ValueError(
                f"scored rows need a label, an amount and a probability each, "
                f"got {len(self.fraud)}, {len(self.amount)} and {len(self.probability)}"
            )
        if not 0 < self.fraud.sum() < len(self.fraud):
            raise ValueError(
                f"measures need frauds and normal rows, got {self.fraud.sum()} frauds in {len(self.fraud)} rows"
            )
        if not np.isfinite(self.probability).all() or self.probability.min() < 0 or self.probability.max() > 1:
            raise ValueError("probabilities must lie in [0, 1]")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What decisions cost: a missed fraud its amount, and each transaction sent to review a fixed ``review``."""

    review: float = 10.0

    def __post_init__(self) -> None:
        if not self.review > 0:
            raise ValueError(f"Cost.review must be above 0, got {self.review}")

    def curve(self, scored: Scored) -> tuple[Floats, Floats]:
        """Return thresholds, falling, and the cost of reviewing what scores at or above each; the first reviews nothing."""
        order = np.argsort(-scored.probability, kind="stable")
        probability = scored.probability[order]
        lost = (scored.fraud * scored.amount)[order]
        last = np.append(np.flatnonzero(np.diff(probability)), len(probability) - 1)
        cost = lost.sum() - np.cumsum(lost)[last] + self.review * (last + 1.0)
        thresholds = np.concatenate([[np.inf], probability[last]])
        return thresholds, np.concatenate([[lost.sum()], cost])

    def threshold(self, scored: Scored) -> float:
        """The probability from which on review costs least on ``scored``, or 1 where no review pays.

        It lies midway, in log-odds, between the last row worth reviewing and the next, since nothing tells them apart.
        """
        thresholds, cost = self.curve(scored)
        best = int(np.argmin(cost))
        if best == 0:
            return 1.0
        following = thresholds[best + 1] if best + 1 < len(thresholds) else 0.0
        return float(_expit((_logit(thresholds[best]) + _logit(following)) / 2))


def headline(scored: Scored) -> dict[str, float]:
    """The figures by which models are compared."""
    return {
        "average_precision": average_precision(scored),
        "recall_at_precision_90": recall_at_precision(scored, 0.9),
        "recall_at_precision_80": recall_at_precision(scored, 0.8),
        "roc_auc": float(roc_auc_score(scored.fraud, scored.probability)),
        "brier": float(np.mean((scored.probability - scored.fraud) ** 2)),
        "calibration_error": calibration_error(scored),
    }


def average_precision(scored: Scored) -> float:
    """The area under the precision-recall curve, as a sum of steps."""
    return float(average_precision_score(scored.fraud, scored.probability))


def recall_at_precision(scored: Scored, precision: float) -> float:
    """The highest recall of any threshold whose precision is at least ``precision``; 0 where none has it."""
    reached, recall, _ = precision_recall_curve(scored.fraud, scored.probability)
    return float(recall[:-1][reached[:-1] >= precision].max(initial=0.0))


def confusion(scored: Scored, threshold: float, cost: Cost) -> dict[str, float]:
    """What deciding at ``threshold`` does: counts, precision, recall and cost."""
    flagged = scored.probability >= threshold
    fraud = scored.fraud == 1
    hits, misses = int((flagged & fraud).sum()), int((~flagged & fraud).sum())
    reviewed = int(flagged.sum())
    return {
        "threshold": threshold,
        "true_positives": hits,
        "false_positives": reviewed - hits,
        "false_negatives": misses,
        "true_negatives": int((~flagged & ~fraud).sum()),
        "precision": hits / reviewed if reviewed else 0.0,
        "recall": hits / (hits + misses),
        "cost": float(scored.amount[~flagged & fraud].sum() + cost.review * reviewed),
        "cost_without_review": float(scored.amount[fraud].sum()),
    }


def reliability(scored: Scored) -> list[dict[str, float]]:
    """Mean probability against the share of frauds in each filled bin of ``BINS``, which are narrow where frauds are rare."""
    bins = np.clip(np.searchsorted(BINS, scored.probability, side="right") - 1, 0, len(BINS) - 2)
    filled = [(at, bins == at) for at in range(len(BINS) - 1) if (bins == at).any()]
    return [
        {
            "from": BINS[at],
            "to": BINS[at + 1],
            "rows": int(inside.sum()),
            "frauds": int(scored.fraud[inside].sum()),
            "probability": float(scored.probability[inside].mean()),
            "rate": float(scored.fraud[inside].mean()),
        }
        for at, inside in filled
    ]


def calibration_error(scored: Scored) -> float:
    """The expected calibration error: the bins' distance of probability and rate, weighted by rows."""
    bins = reliability(scored)
    return sum(each["rows"] * abs(each["probability"] - each["rate"]) for each in bins) / len(scored.fraud)


def curves(scored: Scored, cost: Cost) -> dict[str, Any]:
    """Precision-recall, ROC and cost curves, thinned to a few hundred points each."""
    precision, recall, _ = precision_recall_curve(scored.fraud, scored.probability)
    false, true, _ = roc_curve(scored.fraud, scored.probability)
    thresholds, costs = cost.curve(scored)
    return {
        "precision_recall": _thinned({"recall": recall[::-1], "precision": precision[::-1]}, recall[::-1]),
        "roc": _thinned({"false_positive_rate": false, "true_positive_rate": true}, true),
        "cost": _thinned(
            {"threshold": thresholds[1:], "cost": costs[1:]}, _logit(np.clip(thresholds[1:], 1e-9, 1 - 1e-9))
        ),
    }


def histogram(scored: Scored, bins: int = 48) -> dict[str, list[float]]:
    """Counts of normal rows and frauds by log-odds."""
    log_odds = np.clip(_logit(np.clip(scored.probability, 1e-9, 1 - 1e-9)), -14, 14)
    edges = np.linspace(-14, 14, bins + 1)
    counts = {
        name: np.histogram(log_odds[scored.fraud == label], edges)[0].tolist()
        for name, label in (("normal", 0), ("fraud", 1))
    }
    return {"edges": edges.tolist()} | counts


def _thinned(columns: Mapping[str, Floats], along: Floats, points: int = 300) -> dict[str, list[float]]:
    """Keep every corner that frauds make, and about ``points`` others evenly ``along`` an axis."""
    span = along.max() - along.min()
    cell = np.floor((along - along.min()) / (span or 1.0) * points)
    kept = np.flatnonzero(np.diff(cell, prepend=-1.0) != 0)
    kept = np.unique(np.concatenate([[0], kept, kept - 1, [len(along) - 1]]).clip(0))
    return {name: [float(f"{value:.5g}") for value in values[kept]] for name, values in columns.items()}


def _logit(probability: Any) -> Any:
    clipped = np.clip(probability, 1e-15, 1 - 1e-15)
    return np.log(clipped) - np.log1p(-clipped)


def _expit(log_odds: Any) -> Any:
    return 1 / (1 + np.exp(-log_odds))
