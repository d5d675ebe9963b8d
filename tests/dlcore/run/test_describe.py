"""Settings in words: other words for whatever trains otherwise, the same words for the same in another process."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from types import CodeType, FunctionType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.optim import SGD

from dlcore import Constant
from dlcore.run.describe import describe, differences, settings
from dlcore.step.method import Method

SHARP = 2.0


class Scaled:
    def __init__(self, factor: float) -> None:
        self.factor = factor

    def loss(self, prediction: Tensor, target: Tensor) -> Tensor:
        return self.factor * mse_loss(prediction, target)

    __call__ = loss


class Net(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)


class Changed(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).relu()


Changed.__qualname__ = Net.__qualname__


class Sloped(nn.Linear):
    def __init__(self, slope: float) -> None:
        super().__init__(2, 1)
        self.slope = slope


def module(kind: Callable[..., nn.Module], *given: Any) -> nn.Module:
    torch.manual_seed(1)
    return kind(*given)


def sharp(prediction: Tensor, target: Tensor) -> Tensor:
    return (prediction - target).abs().pow(SHARP).mean()


def recursive(exponent: int) -> Callable[..., Tensor]:
    def power(x: Tensor, times: int = 3) -> Tensor:
        return x if times == 0 else power(x**exponent, times - 1)

    return power


def early(value: int | None) -> Callable[[], int]:
    def seen() -> int:
        return later

    if value is not None:
        later = value
    return seen


def constant(value: Any) -> FunctionType:
    """A function with this constant in its code."""
    return FunctionType(sharp.__code__.replace(co_consts=(None, value)), sharp.__globals__, "sharp")


def reads(elsewhere: dict[str, Any]) -> FunctionType:
    return FunctionType(sharp.__code__, {**sharp.__globals__, **elsewhere}, "sharp")


def within() -> dict[str, Any]:
    """A dict that holds itself."""
    found: dict[str, Any] = {}
    found["me"] = found
    return found


def tied(together: bool) -> nn.Module:
    layers = [nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)]
    layers[1].weight = layers[0].weight if together else nn.Parameter(layers[0].weight.detach().clone())
    return nn.Sequential(*layers)


DIFFERENT = {
    "a loss module's argument": (nn.HuberLoss(delta=1.0), nn.HuberLoss(delta=5.0)),
    "label smoothing": (nn.CrossEntropyLoss(), nn.CrossEntropyLoss(label_smoothing=0.3)),
    "a loss module's weight": tuple(nn.CrossEntropyLoss(weight=torch.tensor([1.0, w])) for w in (2.0, 3.0)),
    "the fifth digit of a tensor": tuple(partial(cross_entropy, weight=torch.tensor([w])) for w in (0.1, 0.100001)),
    "an array's element": tuple(partial(cross_entropy, weight=np.arange(5000) == n) for n in (2500, 2501)),
    "the object of a method": (Scaled(1.0).loss, Scaled(2.0).loss),
    "the attribute of a callable": (Scaled(1.0), Scaled(2.0)),
    "a module's code": (module(Net, 2, 1), module(Changed, 2, 1)),
    "a module's attribute": (module(Sloped, 0.1), module(Sloped, 0.2)),
    "a module's argument": (nn.Dropout(0.1), nn.Dropout(0.2)),
    "a tied weight": (tied(True), tied(False)),
    "a constant of the module": (reads({"SHARP": 2.0}), reads({"SHARP": 3.0})),
    "a function of the module": (reads({"SHARP": sharp}), reads({"SHARP": reads({"SHARP": 3.0})})),
    "a closure": (recursive(2), recursive(3)),
    "a cell without value": (early(None), early(1)),
    "a keyword's default": (lambda x, *, to=1: x, lambda x, *, to=2: x),
    "a set's element": (constant(frozenset({"a"})), constant(frozenset({"b"}))),
    "which of two functions": ([sharp, recursive, sharp], [sharp, recursive, recursive]),
}
SAME: dict[str, Callable[[], Any]] = {
    "a loss module": lambda: nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0])),
    "a callable object": lambda: Scaled(1.0),
    "a method": lambda: Scaled(1.0).loss,
    "a recursive function": lambda: recursive(2),
    "a cell without value": lambda: early(None),
    "a builtin": lambda: [torch.relu, len, "".join],
    "an object that is in itself": within,
    "an open file": lambda: sys.stderr,
}


@pytest.mark.parametrize(("one", "other"), DIFFERENT.values(), ids=DIFFERENT.keys())
def test_what_trains_otherwise_is_told_otherwise(one: Any, other: Any) -> None:
    assert describe(one) != describe(other)


@pytest.mark.parametrize("make", SAME.values(), ids=SAME.keys())
def test_what_is_made_twice_is_told_alike(make: Callable[[], Any]) -> None:
    assert describe(make()) == describe(make())


def test_the_order_of_a_set_is_not_told() -> None:
    one, other = frozenset([0, 8]), frozenset([8, 0])
    assert repr(one) != repr(other)
    assert describe(constant(one)) == describe(constant(other))


def test_the_words_are_the_same_in_another_process() -> None:
    program = f"import {__name__} as here; print(here.settings(here.recipe(), data='d', workers=1))"
    environment = os.environ | {"PYTHONHASHSEED": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    told = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == str(settings(recipe(), data="d", workers=1))


def recipe(**changes: Any) -> Method:
    def loss(prediction: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
        return mse_loss(prediction, target) if reduction in {"mean", "sum", "none", "other"} else prediction

    given: dict[str, Any] = {"model": partial(Net, 2, 1), "loss": loss, "optimizer": SGD, "schedule": Constant(lr=0.1)}
    return Method(**given | {"batch": 8, "epochs": 1} | changes)


def test_a_difference_is_named_and_a_models_weights_are_none() -> None:
    before = settings(recipe(), data="d", workers=1)
    assert before["torch"] == torch.__version__
    assert "float32[1, 2]" in before["model"]
    assert differences(before, settings(recipe(), data="d", workers=2)) == []
    assert differences(before, settings(recipe(schedule=Constant(lr=0.2), clip=None), data="d", workers=1)) == [
        "schedule was dlcore.optim.schedules.Constant(lr=0.1), is dlcore.optim.schedules.Constant(lr=0.2)"
    ]
    [changed] = differences(before, settings(recipe(model=partial(Changed, 2, 1)), data="d", workers=1))
    assert changed.startswith("model was ")
    seeds = (settings(recipe(seed=seed), data="d", workers=1)["model"] for seed in (1, 2))
    assert len(set(seeds)) == 1


def test_code_within_code_counts() -> None:
    nested = [(lambda: lambda: 1), (lambda: lambda: 2)]
    assert any(isinstance(each, CodeType) for each in nested[0].__code__.co_consts)
    assert describe(nested[0]) != describe(nested[1])
