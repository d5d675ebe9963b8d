"""Decays: schedules that are a formula of the step, as torch's and TensorFlow's schedulers have them."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from dlcore.optim.schedules import Constant, Steps, counted, refuse_unordered, require


@dataclass(frozen=True, kw_only=True)
class Poly:
    """Fall from ``lr`` to zero at ``steps`` as ``(1 - step / steps) ** power``."""

    lr: float
    steps: Steps
    power: float = 1.0

    def __post_init__(self) -> None:
        require(self, positive=("steps", "power"), not_negative=("lr",))

    def __call__(self, step: int) -> float:
        steps = counted(self.steps)
        return float(self.lr * (1 - min(step, steps) / steps) ** self.power)


@dataclass(frozen=True, kw_only=True)
class Step:
    """Multiply the rate by ``factor`` after each ``every`` steps."""

    lr: float
    every: Steps
    factor: float = 0.1

    def __post_init__(self) -> None:
        require(self, positive=("every", "factor"), not_negative=("lr",))

    def __call__(self, step: int) -> float:
        return float(self.lr * self.factor ** (step // counted(self.every)))


@dataclass(frozen=True, kw_only=True)
class MultiStep:
    """Multiply the rate by ``factor`` at each of ``milestones``; the rates are those of torch's MultiStepLR."""

    lr: float
    milestones: Sequence[Steps]
    factor: float = 0.1

    def __post_init__(self) -> None:
        require(self, positive=("factor",), not_negative=("lr",))
        refuse_unordered(self, self.milestones)

    def __call__(self, step: int) -> float:
        return float(self.lr * self.factor ** bisect_right([*map(counted, self.milestones)], step))


@dataclass(frozen=True, kw_only=True)
class Exponential:
    """Multiply the rate by ``factor`` over each ``every`` steps, a little at every step."""

    lr: float
    every: Steps
    factor: float

    def __post_init__(self) -> None:
        require(self, positive=("every", "factor"), not_negative=("lr",))

    def __call__(self, step: int) -> float:
        return float(self.lr * self.factor ** (step / counted(self.every)))


@dataclass(frozen=True, kw_only=True)
class NaturalExponential:
    """Fall as ``lr * exp(-decay * step / every)``."""

    lr: float
    every: Steps
    decay: float

    def __post_init__(self) -> None:
        require(self, positive=("every",), not_negative=("lr", "decay"))

    def __call__(self, step: int) -> float:
        return self.lr * math.exp(-self.decay * step / counted(self.every))


@dataclass(frozen=True, kw_only=True)
class InverseTime:
    """Fall as ``lr / (1 + decay * step / every)``."""

    lr: float
    every: Steps
    decay: float

    def __post_init__(self) -> None:
        require(self, positive=("every",), not_negative=("lr", "decay"))

    def __call__(self, step: int) -> float:
        return self.lr / (1 + self.decay * step / counted(self.every))


@dataclass(frozen=True, kw_only=True)
class Cosine:
    """Fall from ``lr`` to ``end`` at ``steps`` along half a cosine (arXiv:1608.03983)."""

    lr: float
    steps: Steps
    end: float = 0.0

    def __post_init__(self) -> None:
        require(self, positive=("steps",), not_negative=("lr", "end"))

    def __call__(self, step: int) -> float:
        steps = counted(self.steps)
        return _along_cosine(self.lr, self.end, min(step, steps) / steps)


@dataclass(frozen=True, kw_only=True)
class OneCycle:
    """Rise to ``lr`` over the part ``rise`` of ``steps``, then fall to next to nothing, each along half a cosine (arXiv:1708.07120).

    It begins at ``lr / first`` and ends at a part ``last`` of that; the rates are those of torch's OneCycleLR. Momentum stays as it is.
    """

    lr: float
    steps: Steps
    rise: float = 0.3
    first: float = 25.0
    last: float = 1e-4

    def __post_init__(self) -> None:
        require(self, positive=("steps", "first"), not_negative=("lr", "rise", "last"))
        if self.rise > 1:
            raise ValueError(f"OneCycle.rise must be a part of the steps, at most one, got {self.rise}")

    def __call__(self, step: int) -> float:
        steps = counted(self.steps)
        begin, peak, end = self.lr / self.first, self.rise * steps - 1, steps - 1
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
        require(self, positive=("factor",), not_negative=("lr", "patience", "threshold", "least"))
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
