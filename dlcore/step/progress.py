"""How a training is getting on: records, unless told otherwise one after each hundred steps and each epoch, and what they are made of."""

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from dlcore.data.order import Place
from dlcore.optim.schedules import Schedule, after
from dlcore.step.state import Figures, Pause, Since, Sums
from dlcore.step.triggers import Moment, Validation

WAITS = ("scheduling_s", "synchronisation_s", "commits_s", "data_s")


@dataclass(frozen=True, kw_only=True)
class Progress:
    """State after ``step`` steps: losses are of the rows since the record before, by the loss's own rule; ``epoch`` counts from one.

    After a validation ``validation`` is the loss of the validation rows, and ``metrics`` has the figures of Training's.

    ``skipped`` steps were not finite, and changed nothing.

    ``seconds`` is the time of the steps. In them rank 0 waited ``data_s`` for rows and, after its own backward, ``synchronisation_s``
    for the sum over workers. Beside them, between groups, ``commits_s`` went to holding the state still, ``scheduling_s`` to all else.
    """

    step: int
    epoch: int
    loss: float
    lr: float
    rows_per_s: float
    seconds: float
    validation: float | None = None
    scheduling_s: float = 0.0
    synchronisation_s: float = 0.0
    commits_s: float = 0.0
    data_s: float = 0.0
    metrics: Mapping[str, float] = field(default_factory=dict)
    skipped: int = 0

    @property
    def figures(self) -> dict[str, float]:
        """What is drawn over the steps, by name."""
        found = {"loss": self.loss, "rate": self.lr, "rows_per_s": self.rows_per_s}
        return found if self.validation is None else {**found, "validation": self.validation, **self.metrics}

    def __str__(self) -> str:
        validation = "" if self.validation is None else f", validation {self.validation:.5f}"
        validation += "".join(f", {name} {figure:.5f}" for name, figure in self.metrics.items())
        validation += f", {self.skipped} steps skipped" if self.skipped else ""
        return (
            f"epoch {self.epoch}, step {self.step}: loss {self.loss:.5f}{validation}, "
            f"rate {self.lr:.4g}, {self.rows_per_s:,.0f} rows/s"
        )


def time_shares(history: Iterable[Progress]) -> dict[str, float]:
    """What part of the time of steps and of pauses between groups went to scheduling, synchronisation, commits and data."""
    records = list(history)
    total = sum(record.seconds + record.scheduling_s + record.commits_s for record in records) or 1.0
    return {wait.removesuffix("_s"): sum(getattr(record, wait) for record in records) / total for wait in WAITS}


def told(parts: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {part:.1%}".replace("%", " %") for name, part in parts.items())


class Records:
    """What a worker counts from record to record, and what validations have found: all of a state's figures but its place.

    It goes on from ``figures``. ``schedule`` is the ``planned`` one after the validations so far; ``seconds`` is the run's time as all
    workers know it, ``elapsed`` as this one has measured it.
    """

    def __init__(self, figures: Figures, planned: Schedule) -> None:
        self._planned, self._count, self._validations = planned, figures.records, figures.validations
        self.since, self.pause = replace(figures.since), Pause()
        self.seconds = self.elapsed = figures.seconds
        self.schedule = self._after_validations()

    def _after_validations(self) -> Schedule:
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

    def add(self, sums: Sums) -> None:
        """Count what all workers have taken."""
        self.since.add(sums.taken)
        self.seconds = sums.seconds

    def judged(self, found: Validation) -> None:
        """Take what a validation has found."""
        self._validations += (found,)
        self.schedule = self._after_validations()

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
