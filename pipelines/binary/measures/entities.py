"""What investigators see of scores: each day the entities (cards, say) whose rows score highest, of which they can look at so many."""

import numpy as np
from numpy.typing import NDArray

from pipelines.binary.measures.scored import Floats

Ints = NDArray[np.int64]


def precision_by_day(
    probability_N: Floats, label_N: Ints, day_N: Ints, entity_N: Ints, *, top: int = 100
) -> dict[int, float]:
    """The share of positives among each day's ``top`` entities, by the highest score of their rows on it.

    An entity is a positive of a day if one of its rows is. Those found are taken out of later days: what is known is not looked at
    again ("Reproducible machine learning for credit card fraud detection", Le Borgne et al., 2022, card precision top-k). Of a day
    with fewer entities the share is of ``top`` all the same, for so many could have been looked at.
    """
    if top < 1:
        raise ValueError(f"precision is of at least one entity a day, got top={top}")
    found = np.empty(0, dtype=np.int64)
    precision: dict[int, float] = {}
    for day in np.unique(day_N):
        rows = np.flatnonzero((day_N == day) & ~np.isin(entity_N, found))
        looked_at = _highest(probability_N[rows], entity_N[rows], top)
        positive = np.intersect1d(looked_at, entity_N[rows[label_N[rows] == 1]])
        precision[int(day)] = len(positive) / top
        found = np.union1d(found, positive)
    return precision


def unknown(label_N: Ints, day_N: Ints, entity_N: Ints, *, test: range, since: int, delay: int) -> NDArray[np.bool_]:
    """Which rows of the days ``test`` are of entities of which no positive was known yet.

    Known are positives from the day ``since`` on, after ``delay`` days.
    """
    positive = (label_N == 1) & (day_N >= since)
    kept = np.zeros(len(label_N), dtype=bool)
    for day in test:
        known = np.unique(entity_N[positive & (day_N <= day - delay)])
        kept |= (day_N == day) & ~np.isin(entity_N, known)
    return kept


def _highest(probability_N: Floats, entity_N: Ints, top: int) -> Ints:
    """The entities of highest scores; of equal ones, those of lower numbers."""
    order = np.lexsort((entity_N, -probability_N))
    entities, first = np.unique(entity_N[order], return_index=True)
    return entities[np.argsort(first, kind="stable")[:top]]
