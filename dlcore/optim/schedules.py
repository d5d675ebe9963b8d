"""Learning-rate schedules: each maps a zero-based step to a rate.

A schedule holds no state, so a resumed run needs only its step number, and every
worker reaches the same rate without a message. One that follows the validation loss
is a function of all such losses so far too, which are the same on every worker and in
every commit: ``after`` those losses it is an ordinary schedule again. One that counts in
epochs is an ordinary schedule once the steps of an epoch are known: ``in_steps``.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Protocol, TypeAlias, runtime_checkable

Schedule = Callable[[int], float]


@runtime_checkable
class Reactive(Protocol):
    """A schedule that follows the validation loss."""

    def after(self, losses: Sequence[float]) -> Schedule:
        """The schedule to go on with after epochs of these validation losses."""
        ...


def parts(schedule: Schedule) -> tuple[Schedule, ...]:
    """The schedules that one is made of; none for one that is a formula of its own."""
    if isinstance(schedule, Warmup):
        return (schedule.then,)
    return tuple(schedule.schedules) if isinstance(schedule, SequentialSchedule) else ()


def after(schedule: Schedule, losses: Sequence[float]) -> Schedule:
    return schedule.after(losses) if isinstance(schedule, Reactive) else schedule


def follows_validation(schedule: Schedule) -> bool:
    inner = parts(schedule)
    return any(map(follows_validation, inner)) if inner else isinstance(schedule, Reactive)


def base_rate(schedule: Schedule) -> float:
    """The first rate after a warm-up, one if that is zero: what the optimizer is made with, and its groups' rates are relative to."""
    if inner := parts(schedule):
        return base_rate(inner[0])
    return (
        in_steps(schedule, 10**6)(0) or 1.0
    )  # of no step's rate, an epoch's length is not known here and does not matter


@dataclass(frozen=True)
class Epochs:
    """A length in passes over the rows, given wherever a schedule takes a number of steps: ``Warmup(steps=Epochs(5), ...)``."""

    number: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.number) and self.number >= 0):
            raise ValueError(f"Epochs.number must be finite and zero or more, got {self.number}")

    def steps(self, an_epoch: int) -> int:
        """The nearest number of steps, of so many an epoch; at least one where it is not zero."""
        return max(round(self.number * an_epoch), int(self.number > 0))


Steps: TypeAlias = int | Epochs


def counted(steps: Steps) -> int:
    """A number of steps; a ValueError where it is still in epochs."""
    if isinstance(steps, Epochs):
        raise ValueError(
            f"the rate of a schedule that counts in epochs must be asked of in_steps(schedule, steps_an_epoch), got {steps}"
        )
    return steps


def in_steps(schedule: Schedule, an_epoch: int) -> Schedule:
    """The schedule with each length in epochs, its own and those of the schedules in it, as so many steps an epoch."""
    if not is_dataclass(schedule) or isinstance(schedule, type):
        return schedule
    given = {each.name: getattr(schedule, each.name) for each in fields(schedule) if each.init}
    return replace(schedule, **{name: _in_steps(value, an_epoch) for name, value in given.items()})


def _in_steps(value: Any, an_epoch: int) -> Any:
    if isinstance(value, Epochs):
        return value.steps(an_epoch)
    if isinstance(value, list | tuple):
        return tuple(_in_steps(each, an_epoch) for each in value)
    return in_steps(value, an_epoch) if callable(value) else value


def scale_linearly(lr: float, *, batch: int, base_batch: int = 256) -> float:
    """Scale ``lr``, tuned at ``base_batch``, to the global ``batch`` (arXiv:1706.02677)."""
    return lr * _ratio(batch, base_batch)


def scale_by_root(lr: float, *, batch: int, base_batch: int = 256) -> float:
    """Scale ``lr`` by the square root of the batch's ratio, which keeps the variance of a step (arXiv:1404.5997), as LAMB is tuned by."""
    return lr * math.sqrt(_ratio(batch, base_batch))


def _ratio(batch: int, base_batch: int) -> float:
    if batch < 1 or base_batch < 1:
        raise ValueError(f"batch sizes must be at least 1, got {batch=}, {base_batch=}")
    return batch / base_batch


def require(schedule: object, *, positive: tuple[str, ...] = (), not_negative: tuple[str, ...] = ()) -> None:
    """A ValueError where a field is not as it must be; a length in epochs is judged by its number."""
    for name in positive + not_negative:
        given = getattr(schedule, name)
        value = given.number if isinstance(given, Epochs) else given
        if not math.isfinite(value) or value < 0 or (name in positive and value == 0):
            rule = "positive" if name in positive else "zero or more"
            raise ValueError(f"{type(schedule).__name__}.{name} must be finite and {rule}, got {given}")


def refuse_unordered(schedule: object, milestones: Sequence[Steps]) -> None:
    """A ValueError where milestones do not rise from above zero, all in steps or all in epochs."""
    numbers = [each.number if isinstance(each, Epochs) else each for each in milestones]
    kinds = {isinstance(each, Epochs) for each in milestones}
    if len(kinds) > 1 or any(now <= before for before, now in zip([0, *numbers], numbers, strict=False)):
        raise ValueError(
            f"{type(schedule).__name__}.milestones must rise from above zero, all in steps or all in epochs, got {milestones}"
        )


@dataclass(frozen=True, kw_only=True)
class Constant:
    """The same rate at every step."""

    lr: float

    def __post_init__(self) -> None:
        require(self, not_negative=("lr",))

    def __call__(self, step: int) -> float:
        return self.lr


@dataclass(frozen=True, kw_only=True)
class Warmup:
    """Rise linearly from ``start`` to ``then(0)`` over ``steps``, then follow ``then``."""

    start: float
    steps: Steps
    then: Schedule

    def __post_init__(self) -> None:
        require(self, not_negative=("start", "steps"))

    def __call__(self, step: int) -> float:
        steps = counted(self.steps)
        if step >= steps:
            return self.then(step - steps)
        return self.start + (self.then(0) - self.start) * step / steps

    def after(self, losses: Sequence[float]) -> "Warmup":
        return replace(self, then=after(self.then, losses))


@dataclass(frozen=True, kw_only=True)
class SequentialSchedule:
    """Each of ``schedules`` in turn, the next one from each of ``milestones`` on, where it begins with its own step zero.

    The rates are those of torch's SequentialLR. A ``Plateau`` among them follows the losses of all epochs.
    """

    schedules: Sequence[Schedule]
    milestones: Sequence[Steps]

    def __post_init__(self) -> None:
        refuse_unordered(self, self.milestones)
        if len(self.schedules) != len(self.milestones) + 1:
            raise ValueError(
                "SequentialSchedule.schedules must be one more than its milestones, got "
                f"{len(self.schedules)} schedules and {len(self.milestones)} milestones"
            )

    def __call__(self, step: int) -> float:
        begins = [0, *map(counted, self.milestones)]
        number = bisect_right(begins, step) - 1
        return self.schedules[number](step - begins[number])

    def after(self, losses: Sequence[float]) -> "SequentialSchedule":
        return replace(self, schedules=[after(each, losses) for each in self.schedules])
