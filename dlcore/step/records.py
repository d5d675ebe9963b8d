"""What a worker counts from record to record, and what validations have found: all of a state's figures but its place."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from dlcore.data.order import Place
from dlcore.optim.schedules import Schedule, after
from dlcore.step.progress import WAITS, Progress
from dlcore.step.state import Figures, Pause, Since
from dlcore.step.triggers import Moment, Validation


class Records:
    """Goes on from ``figures``. ``schedule`` is the ``planned`` one after the validations so far; ``seconds`` is the run's time as all
    workers know it, ``elapsed`` as this one has measured it.
    """

    def __init__(self, figures: Figures, planned: Schedule) -> None:
        self._planned, self._count, self._validations = planned, figures.records, figures.validations
        self.since, self.pause = replace(figures.since), Pause()
        self.seconds = self.elapsed = figures.seconds

    @property
    def schedule(self) -> Schedule:
        return after(self._planned, [each.loss for each in self._validations])

    def figures(self, place: Place) -> Figures:
        return Figures(
            place=place,
            records=self._count,
            validations=self._validations,
            seconds=self.seconds,
            since=replace(self.since),
        )

    def moment(self, place: Place) -> Moment:
        return Moment(place=place, validations=self._validations, seconds=self.seconds)

    @contextmanager
    def counted(self, wait: str) -> Iterator[None]:
        """Count the body's time as one of the waits."""
        before = time.perf_counter()
        yield
        setattr(self.since, wait, getattr(self.since, wait) + time.perf_counter() - before)

    def judged(self, found: Validation) -> None:
        """Take what a validation has found."""
        self._validations += (found,)

    def record(self, *, step: int, epoch: int, rate: float, found: Validation | None) -> tuple[int, Progress]:
        """The record of what was counted since the one before, and its number."""
        since, self.since = self.since, Since()
        number, self._count = self._count, self._count + 1
        return number, Progress(
            step=step,
            epoch=epoch,
            loss=since.loss / since.weight if since.weight else math.nan,
            lr=rate,
            rows_per_s=since.rows / max(since.seconds, 1e-9),
            seconds=since.seconds,
            validation=None if found is None else found.loss,
            metrics={} if found is None else found.metrics,
            skipped=since.skipped,
            **{wait: getattr(since, wait) for wait in WAITS},
        )
