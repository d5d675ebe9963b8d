"""Test rows day by day: how well they are ranked, what investigators would find, and how far features have drifted."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score

from features.drift import Profile, stability
from features.expressions import DAY_S
from pipelines.binary.measures import predictions
from pipelines.binary.measures.entities import Ints, precision_by_day
from pipelines.binary.measures.scored import Floats, Scored

TOP = 100
"""How many entities investigators can look at in a day."""
FIRST_DATE = 3650
"""Days below this are numbered from the begin of the data, not from 1970: rows of the seventies are not expected."""


@dataclass(frozen=True, kw_only=True)
class Day:
    """One day of rows: its date, and what a model reaches on it; None where a day has no positives, or rows no entity."""

    date: str
    rows: int
    positives: int
    average_precision: float | None
    precision_at_top: float | None


def by_day(scored: Scored, *, top: int = TOP) -> list[Day]:
    """Every day of the rows, which must have their time; precision is that of the day's ``top`` entities."""
    if scored.time is None:
        raise ValueError("rows are told day by day by their time, and these have none")
    day_N = days(scored.time)
    cards: Mapping[int, float] = {}
    if scored.entity is not None:
        cards = precision_by_day(scored.probability, scored.label, day_N, scored.entity, top=top)
    return [_day(scored, day_N == day, dated(day), cards.get(int(day))) for day in np.unique(day_N)]


def _day(scored: Scored, inside: Any, date: str, precision: float | None) -> Day:
    label = scored.label[inside]
    reached = float(average_precision_score(label, scored.probability[inside])) if label.any() else None
    return Day(
        date=date,
        rows=len(label),
        positives=int(label.sum()),
        average_precision=reached,
        precision_at_top=precision,
    )


def drift_by_day(folder: Path, time: str, profile: Profile) -> dict[str, dict[str, float]]:
    """For each date of the rows in ``folder`` the population stability index of each column of ``profile``."""
    counts: dict[int, dict[str, Floats]] = {}
    for batch in predictions.batches(folder, [*dict.fromkeys([time, *profile])]):
        day_N = days(predictions.seconds(batch, time))
        for day in np.unique(day_N):
            here = counts.setdefault(int(day), {name: np.zeros(len(bins["shares"])) for name, bins in profile.items()})
            for name, bins in profile.items():
                values = np.asarray(batch[name], dtype=np.float64)[day_N == day]
                place = np.searchsorted(bins["edges"], values)
                here[name] += np.bincount(place, minlength=len(bins["shares"]))
    return {
        dated(day): {
            name: stability(profile[name]["shares"], (found / found.sum()).tolist()) for name, found in here.items()
        }
        for day, here in sorted(counts.items())
    }


def days(time_N: Floats) -> Ints:
    """The number of each second's day."""
    return np.floor(time_N / DAY_S).astype(np.int64)


def dated(day: int) -> str:
    """The date of a day since 1970; of seconds that count from another day's begin, the day's number."""
    return str(day) if day < FIRST_DATE else str(datetime.fromtimestamp(int(day) * DAY_S, UTC).date())
