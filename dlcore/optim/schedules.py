"""Learning-rate schedules: each maps a zero-based step to a rate.

A schedule holds no state, so a resumed run needs only its step number, and every
worker reaches the same rate without a message. One that follows the validation loss
is a function of all such losses so far too, which are the same on every worker and in
every commit: ``after`` those losses it is an ordinary schedule again.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

Schedule = Callable[[int], float]


@runtime_checkable
class Reactive(Protocol):
    """A schedule that follows the validation loss."""

    def after(self, losses: Sequence[float]) -> Schedule:
        """The schedule to go on with after epochs of these validation losses."""
        ...


def after(schedule: Schedule, losses: Sequence[float]) -> Schedule:
    return schedule.after(losses) if isinstance(schedule, Reactive) else schedule


def follows_validation(schedule: Schedule) -> bool:
    return follows_validation(schedule.then) if isinstance(schedule, Warmup) else isinstance(schedule, Reactive)


def base_rate(schedule: Schedule) -> float:
    """The first rate after a warm-up, one if that is zero: what the optimizer is made with, and its groups' rates are relative to."""
    return base_rate(schedule.then) if isinstance(schedule, Warmup) else schedule(0) or 1.0


def scale_linearly(lr: float, *, batch: int, base_batch: int = 256) -> float:
    """Scale ``lr``, tuned at ``base_batch``, to the global ``batch`` (arXiv:1706.02677)."""
    if batch < 1 or base_batch < 1:
        raise ValueError(f"batch sizes must be at least 1, got {batch=}, {base_batch=}")
    return lr * batch / base_batch


def _require(schedule: object, *, positive: tuple[str, ...] = (), not_negative: tuple[str, ...] = ()) -> None:
    for name in positive + not_negative:
        value = getattr(schedule, name)
        if not math.isfinite(value) or value < 0 or (name in positive and value == 0):
            rule = "positive" if name in positive else "zero or more"
            raise ValueError(f"{type(schedule).__name__}.{name} must be finite and {rule}, got {value}")


@dataclass(frozen=True, kw_only=True)
class Constant:
    """The same rate at every step."""

    lr: float

    def __post_init__(self) -> None:
        _require(self, not_negative=("lr",))

    def __call__(self, step: int) -> float:
        return self.lr


@dataclass(frozen=True, kw_only=True)
class Warmup:
    """Rise linearly from ``start`` to ``then(0)`` over ``steps``, then follow ``then``."""

    start: float
    steps: int
    then: Schedule

    def __post_init__(self) -> None:
        _require(self, not_negative=("start", "steps"))

    def __call__(self, step: int) -> float:
        if step >= self.steps:
            return self.then(step - self.steps)
        return self.start + (self.then(0) - self.start) * step / self.steps

    def after(self, losses: Sequence[float]) -> "Warmup":
        return replace(self, then=after(self.then, losses))


@dataclass(frozen=True, kw_only=True)
class Poly:
    """Fall from ``lr`` to zero at ``steps`` as ``(1 - step / steps) ** power``."""

    lr: float
    steps: int
    power: float = 1.0

    def __post_init__(self) -> None:
        _require(self, positive=("steps", "power"), not_negative=("lr",))

    def __call__(self, step: int) -> float:
        return float(self.lr * (1 - min(step, self.steps) / self.steps) ** self.power)


@dataclass(frozen=True, kw_only=True)
class Step:
    """Multiply the rate by ``factor`` after each ``every`` steps."""

    lr: float
    every: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        _require(self, positive=("every", "factor"), not_negative=("lr",))

    def __call__(self, step: int) -> float:
        return float(self.lr * self.factor ** (step // self.every))


@dataclass(frozen=True, kw_only=True)
class Exponential:
    """Multiply the rate by ``factor`` over each ``every`` steps, a little at every step."""

    lr: float
    every: int
    factor: float

    def __post_init__(self) -> None:
        _require(self, positive=("every", "factor"), not_negative=("lr",))

    def __call__(self, step: int) -> float:
        return float(self.lr * self.factor ** (step / self.every))


@dataclass(frozen=True, kw_only=True)
class Cosine:
    """Fall from ``lr`` to ``end`` at ``steps`` along half a cosine (arXiv:1608.03983)."""

    lr: float
    steps: int
    end: float = 0.0

    def __post_init__(self) -> None:
        _require(self, positive=("steps",), not_negative=("lr", "end"))

    def __call__(self, step: int) -> float:
        return _along_cosine(self.lr, self.end, min(step, self.steps) / self.steps)


@dataclass(frozen=True, kw_only=True)
class OneCycle:
    """Rise to ``lr`` over the part ``rise`` of ``steps``, then fall to next to nothing, each along half a cosine (arXiv:1708.07120).

    It begins at ``lr / first`` and ends at a part ``last`` of that; the rates are those of torch's OneCycleLR. Momentum stays as it is.
    """

    lr: float
    steps: int
    rise: float = 0.3
    first: float = 25.0
    last: float = 1e-4

    def __post_init__(self) -> None:
        _require(self, positive=("steps", "first"), not_negative=("lr", "rise", "last"))
        if self.rise > 1:
            raise ValueError(f"OneCycle.rise must be a part of the steps, at most one, got {self.rise}")

    def __call__(self, step: int) -> float:
        begin, peak, end = self.lr / self.first, self.rise * self.steps - 1, self.steps - 1
        if step < peak:
            return _along_cosine(begin, self.lr, step / peak)
        done = min(1.0, (step - peak) / (end - peak)) if end > peak else 1.0
        return _along_cosine(self.lr, begin * self.last, done)


def _along_cosine(begin: float, end: float, done: float) -> float:
    return end + (begin - end) * (1 + math.cos(math.pi * done)) / 2


@dataclass(frozen=True, kw_only=True)
class Plateau:
    """Multiply the rate by ``factor`` when more than ``patience`` epochs have not lowered the validation loss.

    A loss counts as lower when it is below the best one by the part ``threshold`` of it; the rate stays at ``least`` or above. The rates
    are those of torch's ReduceLROnPlateau.
    """

    lr: float
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    least: float = 0.0

    def __post_init__(self) -> None:
        _require(self, positive=("factor",), not_negative=("lr", "patience", "threshold", "least"))
        if self.factor >= 1:
            raise ValueError(f"Plateau.factor must be below one, got {self.factor}")

    def __call__(self, step: int) -> float:
        return self.lr

    def after(self, losses: Sequence[float]) -> Constant:
        rate, best, waited = self.lr, math.inf, 0
        for loss in losses:
            best, waited = (loss, 0) if loss < best * (1 - self.threshold) else (best, waited + 1)
            if waited > self.patience:
                rate, waited = max(rate * self.factor, self.least), 0
        return Constant(lr=rate)
