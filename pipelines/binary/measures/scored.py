"""Rows with their labels and probabilities, and what decisions on them cost."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Scored:
    """Rows with their label (0 or 1), value and probability of being positive, equally long; both labels must occur.

    ``time``, in seconds since 1970 or another day's begin, and ``entity`` are there where they are known.
    """

    label: NDArray[np.int64]
    value: Floats
    probability: Floats
    time: Floats | None = None
    entity: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        if not len(self.label) == len(self.value) == len(self.probability):
            raise ValueError(
                f"scored rows need a label, a value and a probability each, "
                f"got {len(self.label)}, {len(self.value)} and {len(self.probability)}"
            )
        if not 0 < self.label.sum() < len(self.label):
            raise ValueError(
                f"measures need positives and negatives, got {self.label.sum()} positives in {len(self.label)} rows"
            )
        if not np.isfinite(self.probability).all() or self.probability.min() < 0 or self.probability.max() > 1:
            raise ValueError("probabilities must lie in [0, 1]")

    @property
    def positives(self) -> int:
        return int(self.label.sum())


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What decisions cost: a missed positive its value, and each row sent to review a fixed ``review``."""

    review: float

    def __post_init__(self) -> None:
        if not self.review > 0:
            raise ValueError(f"Cost.review must be above 0, got {self.review}")

    def curve(self, scored: Scored) -> tuple[Floats, Floats]:
        """Return thresholds, falling, and the cost of reviewing what scores at or above each; the first reviews nothing."""
        order = np.argsort(-scored.probability, kind="stable")
        probability = scored.probability[order]
        lost = (scored.label * scored.value)[order]
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
        return float(1 / (1 + np.exp(-(log_odds(thresholds[best]) + log_odds(following)) / 2)))


def log_odds(probability: Any, *, least: float = 1e-15) -> Any:
    """Log-odds of probabilities, those nearer to 0 or 1 than ``least`` taken as that near."""
    clipped = np.clip(probability, least, 1 - least)
    return np.log(clipped) - np.log1p(-clipped)
