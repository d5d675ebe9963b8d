"""One worker is plain PyTorch: the same rows in the same order give the same weights as a loop written by hand."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import pyarrow as pa
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.optim import SGD, Adam, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from dlcore import ClipNorm, ClipValue, Cosine, Poly, Training, Warmup
from dlcore.data.order import Order
from dlcore.optim.clipping import Clip

SCHEDULE = Warmup(start=0.01, steps=5, then=Cosine(lr=0.1, steps=60))


def model() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))


def data(rows: int = 331) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(rows, 6, generator=generator)
    return x, x[:, :3].argmax(dim=1)


def by_hand(optimizer: partial[Optimizer], clip: Clip | None, epochs: int) -> nn.Module:
    x, y = data()
    torch.manual_seed(11)
    net = model()
    running = optimizer(net.parameters(), lr=0.1)
    order = Order(rows=len(x), batch=64, seed=11)
    for step in range(order.steps * epochs):
        rows = torch.from_numpy(order.at(step))
        running.zero_grad()
        cross_entropy(net(x[rows]), y[rows]).backward()  # type: ignore[no-untyped-call]
        if isinstance(clip, ClipNorm):
            clip_grad_norm_(net.parameters(), clip.limit)
        if isinstance(clip, ClipValue):
            clip_grad_value_(net.parameters(), clip.limit)
        running.param_groups[0]["lr"] = SCHEDULE(step)
        running.step()
    return net


@pytest.mark.parametrize("optimizer", [partial(SGD, momentum=0.9, weight_decay=1e-3), partial(Adam)])
@pytest.mark.parametrize("clip", [None, ClipNorm(0.05), ClipValue(0.005)])
def test_equal_to_a_loop_written_by_hand(optimizer: partial[Optimizer], clip: Clip | None) -> None:
    x, y = data()
    columns = {f"x{i}": x[:, i].numpy() for i in range(6)}
    training = Training(
        model=model, loss=cross_entropy, optimizer=optimizer, schedule=SCHEDULE, clip=clip, batch=64, epochs=3, seed=11
    )
    fitted = training.fit(pa.table(columns | {"y": y.numpy()}), features=list(columns), label="y")
    for ours, theirs in zip(fitted.module.parameters(), by_hand(optimizer, clip, 3).parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def grouped(parameters: Iterable[nn.Parameter], lr: float) -> Optimizer:
    """Vectors at a tenth of the rate of matrices, which is the optimizer's own."""
    every = list(parameters)
    vectors, matrices = ([p for p in every if (p.ndim == 1) is vector] for vector in (True, False))
    groups: list[dict[str, Any]] = [{"params": vectors, "lr": 0.05}, {"params": matrices}]
    return SGD(groups, lr=lr, momentum=0.9)


def test_groups_of_parameters_keep_the_ratio_of_their_rates() -> None:
    x, y = data()
    columns = {f"x{i}": x[:, i].numpy() for i in range(6)}
    schedule = Warmup(start=0.0, steps=4, then=Poly(lr=0.5, steps=20))
    training = Training(
        model=model, loss=cross_entropy, optimizer=grouped, schedule=schedule, batch=64, epochs=3, seed=11
    )
    fitted = training.fit(pa.table(columns | {"y": y.numpy()}), features=list(columns), label="y")
    torch.manual_seed(11)
    net = model()
    running = grouped(net.parameters(), lr=0.5)
    scheduler = LambdaLR(running, lambda step: schedule(step) / 0.5)
    order = Order(rows=len(x), batch=64, seed=11)
    for step in range(order.steps * 3):
        rows = torch.from_numpy(order.at(step))
        running.zero_grad()
        cross_entropy(net(x[rows]), y[rows]).backward()  # type: ignore[no-untyped-call]
        running.step()
        scheduler.step()
    for ours, theirs in zip(fitted.module.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
