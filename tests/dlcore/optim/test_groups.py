"""Options by name: groups are the same on every rank, and vectors take no weight decay."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss
from torch.optim import SGD, AdamW, Optimizer

from dlcore import LARS, ByName, Constant, decay_only_matrices
from dlcore.optim.eager import build
from dlcore.step.method import Method
from tests.dlcore.step.ranks import resident, trained, weights


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 1))


@pytest.mark.parametrize("optimizer", [partial(AdamW, weight_decay=0.5), partial(LARS, weight_decay=0.5)])
def test_vectors_take_no_weight_decay(optimizer: partial[Optimizer]) -> None:
    model = network()
    made = build(ByName(optimizer, decay_only_matrices), model, lr=0.1)
    decays = {id(p): group["weight_decay"] for group in made.param_groups for p in group["params"]}
    assert {name: decays[id(p)] for name, p in model.named_parameters()} == {
        "0.weight": 0.5,
        "0.bias": 0.0,
        "1.weight": 0.0,
        "1.bias": 0.0,
        "2.weight": 0.5,
        "2.bias": 0.0,
    }


@pytest.mark.parametrize(("workers", "sharded"), [(2, False), (2, True), (7, True)])
def test_groups_by_name_train_alike_on_any_number_of_workers(workers: int, sharded: bool) -> None:
    x = np.random.default_rng(1).standard_normal((40, 3), dtype=np.float32)
    rows = resident(pd.DataFrame({"x": list(x), "y": x.sum(axis=1)}))

    def options(name: str, parameter: nn.Parameter) -> dict[str, float]:
        return {"lr": 0.01} if name.startswith("2.") else {"momentum": 0.9} if name == "0.bias" else {}

    method = Method(
        model=network,
        loss=mse_loss,
        optimizer=ByName(partial(SGD, weight_decay=0.1), options),
        schedule=Constant(lr=0.05),
        batch=8,
        epochs=2,
    )
    [(one, _)] = trained(method, 1, rows)
    assert [group["lr"] for group in one._optimizer.param_groups] == pytest.approx([0.05, 0.05, 0.01])
    half = trained(method, workers, rows, sharded=sharded, stop_after=3)
    after = half[0][0].figures, [engine.slice() for engine, _ in half]
    for engine, _ in trained(method, workers, rows, sharded=sharded, after=after):
        torch.testing.assert_close(weights(engine), weights(one), rtol=1e-4, atol=1e-6)
