"""Schedules are pure functions of the step with the values their formulas give."""

import math

import pytest
import torch
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau

from dlcore import Constant, Cosine, Exponential, OneCycle, Plateau, Poly, Step, Warmup, scale_linearly
from dlcore.optim.schedules import after, base_rate, follows_validation


def test_warmup_rises_linearly_then_follows() -> None:
    schedule = Warmup(start=0.1, steps=4, then=Poly(lr=0.5, steps=10))
    assert [schedule(step) for step in range(5)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    assert schedule(9) == pytest.approx(0.25)
    assert schedule(1000) == 0.0


@pytest.mark.parametrize(
    ("schedule", "step", "rate"),
    [
        (Constant(lr=0.3), 10**6, 0.3),
        (Poly(lr=1.0, steps=10, power=2.0), 5, 0.25),
        (Step(lr=1.0, every=10), 9, 1.0),
        (Step(lr=1.0, every=10), 20, 0.01),
        (Exponential(lr=1.0, every=10, factor=0.25), 5, 0.5),
        (Cosine(lr=1.0, steps=10, end=0.2), 5, 0.6),
        (Cosine(lr=1.0, steps=10), 99, 0.0),
    ],
)
def test_rates(schedule: Poly, step: int, rate: float) -> None:
    assert schedule(step) == pytest.approx(rate)


def test_a_warm_up_is_a_part_of_the_base_rate_and_zero_is_no_base() -> None:
    assert base_rate(Warmup(start=0.0, steps=4, then=Warmup(start=0.1, steps=4, then=Plateau(lr=0.5)))) == 0.5
    assert base_rate(lambda step: 0.1 * step) == 1.0


LOSSES = [1.0, 0.9, 0.95, 0.8999, 0.91, 0.5, 0.5, 0.5, math.nan, 0.6, 0.4, 0.45, 0.45, 0.45, 0.45]


@pytest.mark.parametrize("patience", [0, 1, 3])
@pytest.mark.parametrize("threshold", [1e-4, 0.2])
def test_plateau_is_that_of_torch(patience: int, threshold: float) -> None:
    optimizer = SGD([nn.Parameter(torch.ones(1))], lr=0.8)
    theirs = ReduceLROnPlateau(optimizer, factor=0.5, patience=patience, threshold=threshold, min_lr=0.15)
    ours = Plateau(lr=0.8, factor=0.5, patience=patience, threshold=threshold, least=0.15)
    for number, loss in enumerate(LOSSES, 1):
        theirs.step(loss)
        assert after(ours, LOSSES[:number])(7) == pytest.approx(optimizer.param_groups[0]["lr"])
    assert ours(0) == 0.8


@pytest.mark.parametrize("steps", [3, 10, 101])
@pytest.mark.parametrize(("rise", "first", "last"), [(0.3, 25.0, 1e-4), (0.5, 10.0, 0.01), (0.9, 2.0, 1.0)])
def test_one_cycle_is_that_of_torch(steps: int, rise: float, first: float, last: float) -> None:
    optimizer = SGD([nn.Parameter(torch.ones(1))], lr=0.8, momentum=0.9)
    theirs = OneCycleLR(optimizer, 0.8, total_steps=steps, pct_start=rise, div_factor=first, final_div_factor=1 / last)
    ours = OneCycle(lr=0.8, steps=steps, rise=rise, first=first, last=last)
    for step in range(steps):
        assert ours(step) == pytest.approx(optimizer.param_groups[0]["lr"]), step
        optimizer.step()
        if step < steps - 1:
            theirs.step()
    assert ours(10 * steps) == ours(steps - 1)


def test_a_plateau_behind_a_warmup() -> None:
    schedule = Warmup(start=0.0, steps=4, then=Plateau(lr=0.4, patience=0))
    assert follows_validation(schedule)
    assert not follows_validation(Warmup(start=0.0, steps=4, then=Constant(lr=0.4)))
    assert [after(schedule, [1.0, 1.0])(step) for step in (2, 9)] == pytest.approx([0.02, 0.04])
    assert after(Constant(lr=0.4), [1.0]) == Constant(lr=0.4)


def test_linear_scaling() -> None:
    assert scale_linearly(0.1, batch=2048) == pytest.approx(0.8)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Warmup(start=0.1, steps=-1, then=Constant(lr=1)),
        lambda: Poly(lr=0.1, steps=0),
        lambda: Step(lr=0.1, every=0),
        lambda: Cosine(lr=math.nan, steps=3),
        lambda: Constant(lr=-1.0),
        lambda: OneCycle(lr=0.1, steps=0),
        lambda: OneCycle(lr=0.1, steps=9, rise=1.5),
        lambda: Plateau(lr=0.1, factor=1.0),
        lambda: scale_linearly(0.1, batch=0),
    ],
)
def test_a_wrong_value_is_refused_by_name(wrong: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        wrong()  # type: ignore[operator]
