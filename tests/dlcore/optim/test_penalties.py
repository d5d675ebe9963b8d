"""Penalties count once a step, as in plain torch, however many workers there are; what is frozen stays."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.optim import SGD

from dlcore import L1, L2, LAMB, ByLayer, ClipNorm, Constant, Epochs, Training, Warmup
from dlcore.zoo.cutting import freeze
from tests.dlcore.step.ranks import resident, trained, weights

RULES = ByLayer({"0.": L2(0.05), "2.weight": L1(0.02)})
CLASS_WEIGHTS = torch.tensor([1.0, 5.0])


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))


def training(**changes: Any) -> Training:
    settings: dict[str, Any] = {
        "model": network,
        "loss": partial(cross_entropy, weight=CLASS_WEIGHTS),
        "optimizer": partial(SGD, momentum=0.9),
        "schedule": Constant(lr=0.1),
        "penalty": RULES,
        "clip": ClipNorm(0.5),
        "batch": 16,
        "epochs": 3,
    }
    return Training(**settings | changes)


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    drawn = np.random.default_rng(3)
    x = drawn.standard_normal((48, 4)).astype(np.float32)
    return pd.DataFrame({"x": list(x), "y": (x[:, 0] > 0.5).astype(np.int64)})


def test_one_worker_is_plain_torch_and_two_are_one(rows: pd.DataFrame) -> None:
    """Of a loss with a weight too, by which the gradient of the rows alone is divided."""
    method = training(epochs=1, batch=48)
    model, x = method.build(), torch.tensor(np.stack([*rows["x"]]))
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    loss = cross_entropy(model(x), torch.tensor(rows["y"]), weight=CLASS_WEIGHTS) + RULES(model)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(model.parameters(), 0.5)
    optimizer.step()
    expected = torch.cat([each.detach().reshape(-1) for each in model.parameters()])
    [(one, _)] = trained(method, 1, resident(rows))
    torch.testing.assert_close(weights(one), expected)
    for each in (method, training()):
        alone, several = trained(each, 1, resident(rows)), trained(each, 2, resident(rows))
        torch.testing.assert_close(weights(several[0][0]), weights(alone[0][0]), rtol=1e-4, atol=1e-6)
        assert torch.equal(weights(several[0][0]), weights(several[1][0]))


def test_a_penalty_is_no_part_of_the_loss_that_is_told(rows: pd.DataFrame) -> None:
    with_it, without = (training(penalty=each, epochs=1, batch=48) for each in (RULES, None))
    told, plain = (each.fit(rows, features="x", label="y").history for each in (with_it, without))
    assert told[0].loss == plain[0].loss


def frozen() -> nn.Sequential:
    model = network()
    freeze(model, upto="0")
    return model


def test_layers_frozen_up_to_a_name_stay_and_the_others_learn(rows: pd.DataFrame) -> None:
    method = training(model=frozen, optimizer=LAMB, penalty=None)
    fitted, before = method.fit(rows, features="x", label="y").module.state_dict(), method.build().state_dict()
    assert {name for name in before if torch.equal(before[name], fitted[name])} == {"0.weight", "0.bias"}


def test_a_warm_up_in_epochs_is_one_of_the_rows(rows: pd.DataFrame) -> None:
    schedule = Warmup(start=0.0, steps=Epochs(2), then=Constant(lr=0.6))
    fitted = training(schedule=schedule).fit(rows, features="x", label="y")
    assert [record.lr for record in fitted.history] == pytest.approx([0.6 * 2 / 6, 0.6 * 5 / 6, 0.6])


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (lambda: ByLayer({"head.": L2(0.1)})(network()), "must name parameters of the model, got 'head.'"),
        (lambda: ByLayer({}), "at least one rule"),
        (lambda: L1(-1), r"L1\.weight must be zero or more, got -1"),
    ],
)
def test_wrong_penalties_are_refused(wrong: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        wrong()


def test_a_penalty_of_fixed_weights_alone_is_refused(rows: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="must depend on parameters that are trained"):
        training(model=frozen, penalty=ByLayer({"0.": L2(0.1)})).fit(rows, features="x", label="y")
