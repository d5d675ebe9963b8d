"""Gradients in corners: parameters that a step does not use, and those that one backward comes to twice."""

import gc
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim import SGD, AdamW, Optimizer
from torch.utils.checkpoint import checkpoint

from dlcore import ClipNorm, Constant
from dlcore.data.order import Order
from dlcore.step.method import Method
from tests.dlcore.step.ranks import resident, trained, weights


class Experts(nn.Module):
    """A second expert for rows with a rare first number, and a third that nobody asks."""

    def __init__(self) -> None:
        super().__init__()
        self.usual, self.rare, self.never = nn.Linear(3, 1), nn.Linear(3, 1), nn.Linear(3, 1)

    def forward(self, x: Tensor) -> Tensor:
        asked = x[:, :1] > 1.7
        return self.usual(x) + self.rare(x) * asked if asked.any() else self.usual(x)  # type: ignore[no-any-return]


def table() -> tuple[Tensor, Tensor]:
    x = torch.from_numpy(np.random.default_rng(2).standard_normal((70, 3), dtype=np.float32))
    return x, x.sum(dim=1, keepdim=True)


def rows() -> Any:
    x, y = table()
    return resident(pd.DataFrame({"x": list(x.numpy()), "y": y[:, 0].numpy()}))


def method(**changes: Any) -> Method:
    known: dict[str, Any] = {
        "model": Experts,
        "loss": mse_loss,
        "schedule": Constant(lr=0.05),
        "batch": 16,
        "epochs": 3,
        "seed": 5,
    }
    return Method(**known | {"optimizer": partial(SGD)} | changes)


def by_hand(method: Method, optimizer: Callable[..., Optimizer]) -> nn.Module:
    model, order = method.build(), Order(rows=70, batch=16, seed=5)
    running, (x, y) = optimizer(model.parameters(), lr=0.05), table()
    for step in range(order.steps * method.epochs):
        picked = torch.from_numpy(order.at(step))
        running.zero_grad()
        mse_loss(model(x[picked]), y[picked]).backward()  # type: ignore[no-untyped-call]
        if method.clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        running.step()
    return model


@pytest.mark.parametrize("clip", [None, ClipNorm(0.5)])
@pytest.mark.parametrize("optimizer", [partial(SGD, momentum=0.9, weight_decay=0.1), partial(AdamW, weight_decay=0.1)])
@pytest.mark.parametrize(("workers", "sharded"), [(1, False), (3, False), (3, True), (8, True)])
def test_what_no_worker_uses_has_no_gradient(
    workers: int, sharded: bool, optimizer: partial[Optimizer], clip: ClipNorm | None
) -> None:
    """The last batch has six rows: of eight workers two have none."""
    ours = method(optimizer=optimizer, clip=clip)
    theirs = by_hand(ours, optimizer)
    found = [engine.model for engine, _ in trained(ours, workers, rows(), sharded=sharded)]
    for model in found:
        torch.testing.assert_close(model.state_dict(), theirs.state_dict(), rtol=1e-4, atol=1e-6)
        assert torch.equal(model.get_parameter("never.weight"), ours.build().get_parameter("never.weight"))


class Checkpointed(nn.Module):
    """One layer in two re-entrant checkpoints, from the ``first`` time it is called on, or in none."""

    def __init__(self, first: int = 0) -> None:
        super().__init__()
        self.layer, self.calls, self.first = nn.Linear(3, 3), 0, first

    def forward(self, x: Tensor) -> Tensor:
        again = partial(checkpoint, self.layer, use_reentrant=True) if self.calls >= self.first else self.layer
        self.calls += 1
        return again(again(x.clone().requires_grad_())).sum(dim=1, keepdim=True)  # type: ignore[no-any-return]


def test_a_parameter_that_a_backward_comes_to_twice_is_summed_right() -> None:
    plain = by_hand(method(model=partial(Checkpointed, 999)), partial(SGD))
    for engine, _ in trained(method(model=Checkpointed), 2, rows()):
        torch.testing.assert_close(engine.model.state_dict(), plain.state_dict(), rtol=1e-4, atol=1e-6)


def test_one_that_it_comes_to_twice_only_later_is_refused_by_name() -> None:
    with pytest.raises(RuntimeError, match=r"layer\.\w+ got a second one after its sum over workers had begun"):
        trained(method(model=partial(Checkpointed, 3)), 1, rows())


def test_gradients_are_views_again_after_a_step_without() -> None:
    [(engine, _)] = trained(method(), 1, rows())
    engine._iteration._gradients.clear()
    assert all(parameter.grad is not None for parameter in engine.model.parameters())
    assert weights(engine).isfinite().all()


def test_an_engine_that_is_let_go_takes_its_weights_and_buffers_along() -> None:
    """A worker's process is kept for the next run."""
    [(engine, _)] = trained(method(), 1, rows())
    held = [weakref.ref(parameter) for parameter in engine.model.parameters()]
    del engine
    gc.collect()
    assert [each() for each in held] == [None] * len(held)
