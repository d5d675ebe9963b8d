"""Triggers: when to validate, to record, to commit and to end, as functions of where a run is and what its validations found.

They are asked after each step, and must say the same on every worker; time is rank 0's, which travels with the gradients, and is in
the commit. So a run that is gone on from is asked the same again.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from dlcore.data.order import Place

LOSS = "validation"
"""What triggers call the loss of the validation rows, as records do."""


@dataclass(frozen=True, kw_only=True)
class Validation:
    """What the validation after ``step`` steps found."""

    step: int
    loss: float
    metrics: Mapping[str, float] = field(default_factory=dict)

    def figure(self, name: str) -> float:
        figures = {LOSS: self.loss, **self.metrics}
        if name not in figures:
            raise ValueError(f"a trigger must follow a figure of the validations, which are {[*figures]}, got {name!r}")
        return figures[name]


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Where a run is, after ``seconds`` of steps and validations, and its ``validations`` so far."""

    place: Place = field(default_factory=Place)
    validations: tuple[Validation, ...] = ()
    seconds: float = 0.0

    @property
    def validation(self) -> Validation | None:
        """That of this very step."""
        return self.validations[-1] if self.validations and self.validations[-1].step == self.place.step else None


Trigger: TypeAlias = Callable[[Moment], bool]


@dataclass(frozen=True)
class EveryEpochs:
    """At the end of each ``number`` epochs."""

    number: int = 1

    def __post_init__(self) -> None:
        _at_least_one(self, self.number)

    def __call__(self, moment: Moment) -> bool:
        return moment.place.row == 0 and moment.place.epoch > 0 and moment.place.epoch % self.number == 0


@dataclass(frozen=True)
class EverySteps:
    """After each ``number`` steps of the run."""

    number: int

    def __post_init__(self) -> None:
        _at_least_one(self, self.number)

    def __call__(self, moment: Moment) -> bool:
        return moment.place.step > 0 and moment.place.step % self.number == 0


def _at_least_one(trigger: object, number: int) -> None:
    if number < 1:
        raise ValueError(f"{type(trigger).__name__}.number must be at least 1, got {number}")


@dataclass(frozen=True)
class AfterSeconds:
    """From so many seconds of steps and validations on, of all of a run's sessions together."""

    seconds: float

    def __call__(self, moment: Moment) -> bool:
        return moment.seconds >= self.seconds


@dataclass(frozen=True)
class AtMinimum:
    """When a validation finds a figure lower than all before; unless it is named, the loss. NaN is no minimum."""

    of: str = LOSS

    def __call__(self, moment: Moment) -> bool:
        return moment.validation is not None and self.best(moment.validations) == moment.place.step

    def best(self, validations: Sequence[Validation]) -> int | None:
        """The step of the lowest figure, of equal ones the first; None without any."""
        return _lowest((each.step, each.figure(self.of)) for each in validations)


@dataclass(frozen=True)
class AtMaximum:
    """When a validation finds a metric's figure higher than all before. NaN is no maximum."""

    of: str

    def __call__(self, moment: Moment) -> bool:
        return moment.validation is not None and self.best(moment.validations) == moment.place.step

    def best(self, validations: Sequence[Validation]) -> int | None:
        """The step of the highest figure, of equal ones the first; None without any."""
        return _lowest((each.step, -each.figure(self.of)) for each in validations)


Best: TypeAlias = AtMinimum | AtMaximum


def _lowest(figures: Iterable[tuple[int, float]]) -> int | None:
    found, lowest = None, math.inf
    for step, figure in figures:
        if figure < lowest:
            found, lowest = step, figure
    return found


@dataclass(frozen=True, kw_only=True)
class EarlyStopping:
    """When the last ``patience`` validations found nothing better than the best before them, as ``best`` judges."""

    patience: int
    best: Best = field(default_factory=AtMinimum)

    def __post_init__(self) -> None:
        if self.patience < 1:
            raise ValueError(f"EarlyStopping.patience must be at least 1, got {self.patience}")

    def __call__(self, moment: Moment) -> bool:
        steps = [each.step for each in moment.validations]
        best = self.best.best(moment.validations)
        after = len(steps) if best is None else len(steps) - 1 - steps.index(best)
        return after >= self.patience


@dataclass(frozen=True)
class Below:
    """When a validation finds a figure below ``value``."""

    value: float
    of: str = LOSS

    def __call__(self, moment: Moment) -> bool:
        return moment.validation is not None and moment.validation.figure(self.of) < self.value


@dataclass(frozen=True)
class Above:
    """When a validation finds a metric's figure above ``value``."""

    value: float
    of: str

    def __call__(self, moment: Moment) -> bool:
        return moment.validation is not None and moment.validation.figure(self.of) > self.value


@dataclass(frozen=True, init=False)
class AnyOf:
    """When one of ``triggers`` says so."""

    triggers: tuple[Trigger, ...]

    def __init__(self, *triggers: Trigger) -> None:
        object.__setattr__(self, "triggers", triggers)

    def __call__(self, moment: Moment) -> bool:
        return any(trigger(moment) for trigger in self.triggers)


@dataclass(frozen=True, init=False)
class AllOf:
    """When all of ``triggers`` say so at once."""

    triggers: tuple[Trigger, ...]

    def __init__(self, *triggers: Trigger) -> None:
        object.__setattr__(self, "triggers", triggers)

    def __call__(self, moment: Moment) -> bool:
        return all(trigger(moment) for trigger in self.triggers)


EACH_EPOCH = EveryEpochs()
RECORDS = AnyOf(EverySteps(100), EACH_EPOCH)


@dataclass(frozen=True, kw_only=True)
class Pauses:
    """When a run makes a record beside those of validations, and when it ends a group so that its state is committed."""

    record: Trigger = RECORDS
    commit: Trigger | None = None


def needs_validation(trigger: Trigger | None) -> bool:
    """Whether a trigger, or one of those that it is made of, follows what validations find."""
    if isinstance(trigger, AnyOf | AllOf):
        return any(map(needs_validation, trigger.triggers))
    return isinstance(trigger, AtMinimum | AtMaximum | EarlyStopping | Below | Above)
