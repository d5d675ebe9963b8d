"""Champion and challenger on test rows that neither has seen: average precision of both, and an interval of the difference."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dlcore import Artifact
from pipelines.binary.frames.roles import Roles
from pipelines.binary.frames.split import Frames
from pipelines.binary.measures import predictions
from pipelines.binary.measures.figures import average_precision
from pipelines.binary.measures.interval import LEVEL, lead
from pipelines.binary.measures.scored import Scored
from pipelines.binary.models.ensemble import models
from pipelines.binary.models.fitting import Network
from pipelines.binary.seen import Seen
from pipelines.publish import Incomparable, Lead


@dataclass(frozen=True, kw_only=True)
class Meeting:
    """Lets two artifacts rate those test rows of ``frames`` that lie outside the time that the champion has seen.

    The challenger has not seen any of them: they are the test rows of its own split.
    """

    frames: Frames
    networks: Mapping[str, Network]
    roles: Roles

    def __call__(self, champion: Artifact, challenger: Artifact) -> Lead:
        seen = Seen.by(champion.details)
        if seen is None:
            raise Incomparable(f"version {champion.id[:12]} does not say which rows it has seen")
        first, second = (self.rated(each, seen) for each in (champion, challenger))
        interval = lead(second, first)
        return Lead(
            metric="average precision",
            higher_is_better=True,
            champion=average_precision(first),
            challenger=average_precision(second),
            low=interval.low,
            high=interval.high,
            confidence=LEVEL,
            rows=len(first.label),
        )

    def rated(self, model: Artifact, seen: Seen) -> Scored:
        """The model's probabilities for the rows that lie outside of ``seen``."""
        keep = [*self.roles.kept, self.roles.time]
        folder, module = self.frames.path("test"), model.module(models(self.networks))
        try:
            rows, probability_N = predictions.rate(folder, model.details["features"], dict.fromkeys(keep), module)
        except predictions.ColumnsMissing as missing:
            raise Incomparable(f"version {model.id[:12]} asks for other columns: {missing}") from missing
        time_N = seconds(rows, self.roles.time)
        unseen_N = (time_N < seen.first_s) | (time_N > seen.last_s)
        kept = rows.filter(pa.array(unseen_N))
        self.refuse_too_few(kept, seen)
        return predictions.scored(kept, probability_N.numpy()[unseen_N], self.roles)

    def refuse_too_few(self, rows: pa.Table, seen: Seen) -> None:
        positives = int(rows[self.roles.label].to_numpy().sum()) if len(rows) else 0
        if not 0 < positives < len(rows):
            raise Incomparable(
                f"of the test rows, {len(rows):,} with {positives:,} positives lie outside of what the champion has seen (times "
                f"{seen.first_s:.0f} to {seen.last_s:.0f} s), and both kinds are needed; train on a range that ends later"
            )


def seconds(rows: pa.Table, time: str) -> NDArray[np.float64]:
    """Numbers of seconds, dates or timestamps as numbers of seconds."""
    values = rows[time]
    if not pa.types.is_temporal(values.type):
        return np.asarray(values, dtype=np.float64)
    micros = values.cast(pa.timestamp("us", getattr(values.type, "tz", None))).cast(pa.int64())
    return np.asarray(micros, dtype=np.float64) / 1e6
