"""A step that is not finite is told by step, rank and parameter, or leaves every rank as it was."""

import math
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim import SGD

from dlcore import Training
from dlcore.data.order import Order
from dlcore.data.rows import Resident
from dlcore.optim.schedules import Constant
from tests.dlcore.step.ranks import resident, trained, weights

ROWS, BAD = 64, 37


def rows() -> Resident:
    """Rows of which one has a target of its own."""
    x = np.random.default_rng(4).standard_normal((ROWS, 3), dtype=np.float32)
    y = x.sum(axis=1)
    y[BAD] = 1e6
    return resident(pa.table({"x": list(x), "y": y}))


class Network(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))


def nan_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """NaN for the row of its own; the others' means are as they are."""
    return mse_loss(prediction, target) * (math.nan if bool((target > 1e5).any()) else 1.0)


class InfiniteSlope(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0] / 0


def sloping_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """A finite loss of which the gradient is not."""
    bad = bool((target > 1e5).any())
    return mse_loss(InfiniteSlope.apply(prediction) if bad else prediction, target.clamp(max=1e5))  # type: ignore[no-untyped-call]


def method(**changes: Any) -> Training:
    settings: dict[str, Any] = {
        "model": Network,
        "loss": nan_loss,
        "optimizer": partial(SGD, momentum=0.9),
        "schedule": Constant(lr=0.01),
        "batch": 16,
        "epochs": 1,
        "seed": 3,
    }
    return Training(**settings | changes)


def bad_step() -> tuple[int, int]:
    """The step that has the row, and its place in the step."""
    order = Order(rows=ROWS, batch=16, seed=3)
    return next((step, [*order.at(step)].index(BAD)) for step in range(4) if BAD in order.at(step))


@pytest.mark.parametrize(("workers", "sharded"), [(1, False), (2, False), (2, True)])
def test_the_error_says_step_rank_and_parameters(workers: int, sharded: bool) -> None:
    step, place = bad_step()
    rank = place // (16 // workers)
    told = rf"step {step + 1} is not finite: the loss of the rows of ranks \[{rank}\], the gradient of 0\.weight.*no parameter"
    with pytest.raises(FloatingPointError, match=told):
        trained(method(), workers, rows(), sharded=sharded)
    told = rf"step {step + 1} is not finite: the loss of the rows of ranks \[\], the gradient of 0\.weight"
    with pytest.raises(FloatingPointError, match=told):
        trained(method(loss=sloping_loss), workers, rows(), sharded=sharded)


@pytest.mark.parametrize("loss", [nan_loss, sloping_loss])
def test_a_skipped_step_changes_nothing_on_any_rank(loss: Any) -> None:
    step, _ = bad_step()
    skipping = method(loss=loss, on_nan="skip")
    for workers, sharded in ((1, False), (2, False), (2, True)):
        before, after = (
            trained(skipping, workers, rows(), stop_after=end, sharded=sharded) for end in (step, step + 1)
        )
        for (one, _), (other, _) in zip(before, after, strict=True):
            assert (one.step, other.step) == (step, step + 1)
            states = (engine.model.state_dict() for engine in (one, other))
            assert all(torch.equal(a, b) for a, b in zip(*(state.values() for state in states), strict=True))
    alone, several = trained(skipping, 1, rows()), trained(skipping, 2, rows())
    assert [record.skipped for record in alone[0][1]] == [1]
    assert "1 steps skipped" in str(alone[0][1][0])
    assert math.isfinite(alone[0][1][0].loss)
    assert torch.equal(weights(several[0][0]), weights(several[1][0]))
    assert bool(weights(several[0][0]).isfinite().all())


def test_weights_that_are_not_finite_are_not_skipped_over() -> None:
    class Ruined(Network):
        def __init__(self) -> None:
            super().__init__()
            self.state_dict()["2.bias"].fill_(math.inf)

    with pytest.raises(FloatingPointError, match=r"step 1 .*the weights of 2\.bias"):
        trained(method(model=Ruined, on_nan="skip"), 1, rows())


def test_what_it_may_be_is_said() -> None:
    with pytest.raises(ValueError, match=r"on_nan must be one of \('stop', 'skip'\), got 'ignore'"):
        method(on_nan="ignore")
