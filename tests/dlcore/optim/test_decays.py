"""Decays give the rates of the schedulers of torch that they are named after."""

import math

import pytest
import torch
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import MultiStepLR, OneCycleLR, ReduceLROnPlateau

from dlcore import MultiStep, OneCycle, Plateau
from dlcore.optim.schedules import after

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


def test_multi_step_is_that_of_torch() -> None:
    optimizer = SGD([nn.Parameter(torch.ones(1))], lr=0.8)
    theirs = MultiStepLR(optimizer, [2, 5, 6], gamma=0.3)
    ours = MultiStep(lr=0.8, milestones=[2, 5, 6], factor=0.3)
    for step in range(9):
        assert ours(step) == pytest.approx(optimizer.param_groups[0]["lr"]), step
        optimizer.step()
        theirs.step()
