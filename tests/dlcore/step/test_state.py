"""What an optimizer keeps, of a parameter or in its groups, comes back as it was: value, type, and what follows from it."""

import json
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim import Optimizer

from dlcore import Constant
from dlcore.step.method import Method
from dlcore.step.state import Slice, capture, restore
from tests.dlcore.step.ranks import resident, trained, weights


class Schooled(Optimizer):
    """SGD in the manner of Prodigy and schedule-free optimizers: its groups hold what it has learned."""

    def __init__(self, params: Iterable[Any], *, lr: float) -> None:
        known = {"k": 0, "scale": 1.0, "total": torch.zeros((), dtype=torch.float64), "ends": (0.5, 2), "mode": None}
        super().__init__(params, {"lr": lr, "rule": abs} | known)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            group["k"] += 1
            group["total"] += 1 / group["k"]
            group["scale"] = float(group["total"]) / group["k"] * group["ends"][0]
            group["ends"], group["mode"] = (group["ends"][0] * 0.9, group["k"]), "later"
            for parameter in group["params"]:
                self._update(parameter, group)

    def _update(self, parameter: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        seen = state.setdefault("seen", torch.zeros(parameter.shape, dtype=torch.int64))
        seen += 2**30
        rate = group["lr"] * group["scale"]
        parameter.sub_(rate * (1 + 2**30 / seen) * parameter.grad)


def method(**changes: Any) -> Method:
    known: dict[str, Any] = {
        "model": lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)),
        "loss": mse_loss,
        "optimizer": partial(Schooled),
        "schedule": Constant(lr=0.1),
        "batch": 8,
        "epochs": 2,
    }
    return Method(**known | changes)


def rows() -> pd.DataFrame:
    x = np.random.default_rng(1).standard_normal((40, 3), dtype=np.float32)
    return pd.DataFrame({"x": list(x), "y": x.sum(axis=1)})


def stored(part: Slice) -> Slice:
    return Slice.from_bytes(part.to_bytes(), json.loads(json.dumps(part.plain)))


@pytest.mark.parametrize(("workers", "sharded"), [(1, False), (2, False), (2, True)])
def test_what_is_kept_in_groups_is_gone_on_from(workers: int, sharded: bool) -> None:
    data = resident(rows())
    whole = [engine for engine, _ in trained(method(), workers, data, sharded=sharded)]
    half = [engine for engine, _ in trained(method(), workers, data, sharded=sharded, stop_after=3)]
    after = half[0].figures, [stored(engine.slice()) for engine in half]
    rest = [engine for engine, _ in trained(method(), workers, data, sharded=sharded, after=after)]
    assert all(torch.equal(weights(whole[0]), weights(engine)) for engine in [*whole, *rest])


def test_values_come_back_in_their_own_type() -> None:
    [(engine, _)] = trained(method(), 1, resident(rows()))
    part = stored(engine.slice())
    model = method().build()
    fresh = method().optimize(model)
    restore(model, fresh, [part])
    assert fresh.param_groups[0] == engine._optimizer.param_groups[0] | {"params": [*model.parameters()], "lr": 0.1}
    again = stored(capture(model, fresh, model.state_dict()))
    assert again.plain == part.plain
    assert {name: each.dtype for name, each in again.tensors.items()} == {n: t.dtype for n, t in part.tensors.items()}
    assert all(torch.equal(again.tensors[name], part.tensors[name]) for name in part.tensors)
    assert part.tensors["optimizer.0.weight.seen"].dtype == torch.int64
