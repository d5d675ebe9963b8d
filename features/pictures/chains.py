"""Steps chained by composition: each says what it would do to a frame, the chain does all of it at once.

A step is a frozen value with ``plan(frame, generator)``; its chances come from that generator alone, which is a function of (seed, epoch,
row), so the same picture looks the same wherever it is made. Without a generator, as in validation and scoring, nothing is left to chance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from features.pictures.boxes import Boxes, boxes
from features.pictures.rendering import Frame, Pixels, Plan, Rows, Warp, render


class Step(Protocol):
    """What is done to a picture: warps of its frame, and tints of its colours."""

    def plan(self, frame: Frame, generator: Generator | None) -> Plan: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Framed:
    """A picture, the boxes in it, and which of the boxes given at the start they are, so that what belongs to a box stays with it."""

    pixels: Pixels
    boxes: Boxes
    rows: Rows


@dataclass(frozen=True)
class Chain:
    """Steps one after the other, their geometry composed to one warp; a chain is a step too."""

    steps: tuple[Step, ...]

    def plan(self, frame: Frame, generator: Generator | None) -> Plan:
        return self._followed(frame, generator)[0]

    def __call__(self, pixels: Pixels, boxes_: ArrayLike = (), generator: Generator | None = None) -> Framed:
        """The picture after all steps, and the boxes that are still in it."""
        plan, frame = self._followed(Frame.of(pixels, boxes(boxes_)), generator)
        return Framed(pixels=render(pixels, plan), boxes=frame.boxes, rows=frame.rows)

    def _followed(self, frame: Frame, generator: Generator | None) -> tuple[Plan, Frame]:
        plan: Plan = ()
        for step in self.steps:
            actions = step.plan(frame, generator)
            for action in actions:
                frame = frame.after(action) if isinstance(action, Warp) else frame
            plan += actions
        return plan, frame


@dataclass(frozen=True)
class Sometimes:
    """A step with probability ``chance``; never without a generator."""

    step: Step
    chance: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.chance <= 1:
            raise ValueError(f"Sometimes.chance must be between 0 and 1, got {self.chance}")

    def plan(self, frame: Frame, generator: Generator | None) -> Plan:
        if generator is None or generator.random() >= self.chance:
            return ()
        return self.step.plan(frame, generator)


@dataclass(frozen=True)
class OneOf:
    """One of the steps, each as likely as the others; the first without a generator."""

    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        if not self.steps:
            raise ValueError("OneOf.steps must have at least one step, got none")

    def plan(self, frame: Frame, generator: Generator | None) -> Plan:
        at = 0 if generator is None else int(generator.integers(len(self.steps)))
        return self.steps[at].plan(frame, generator)


@dataclass(frozen=True)
class Uniform:
    """A number between ``low`` and ``high``, all as likely."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"Uniform.low must not be above its high, got {self.low} and {self.high}")


Amount = float | Uniform
"""A number, always that one, or one that is drawn for each picture."""


def least(amount: Amount) -> float:
    return amount.low if isinstance(amount, Uniform) else amount


def drawn(amount: Amount, generator: Generator | None, *, without: float) -> float:
    """The number; of a drawn one ``without`` a generator, which is the one that changes nothing."""
    if not isinstance(amount, Uniform):
        return amount
    return without if generator is None else float(generator.uniform(amount.low, amount.high))


def chances(seed: int, epoch: int, row: int) -> Generator:
    """The generator of a row in an epoch."""
    return np.random.default_rng([seed, epoch, row])


def step_by_step(
    steps: Sequence[Step], pixels: Pixels, boxes_: ArrayLike = (), generator: Generator | None = None
) -> Framed:
    """What ``Chain(steps)`` does, with a picture made after every step: what the chain is measured against."""
    seen = Framed(pixels=pixels, boxes=boxes(boxes_), rows=np.arange(len(boxes(boxes_))))
    for step in steps:
        after = Chain((step,))(seen.pixels, seen.boxes, generator)
        seen = Framed(pixels=after.pixels, boxes=after.boxes, rows=seen.rows[after.rows])
    return seen
