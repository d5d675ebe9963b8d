"""Penalties on weights, a layer its own: added to what a step minimises, once, however many workers there are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Penalty = Callable[[nn.Module], Tensor]


@dataclass(frozen=True)
class L1:
    """``weight`` times the sum of the absolute values."""

    weight: float

    def __post_init__(self) -> None:
        _require(self, self.weight)

    def __call__(self, parameter: Tensor) -> Tensor:
        return self.weight * parameter.abs().sum()


@dataclass(frozen=True)
class L2:
    """``weight`` times the sum of the squares."""

    weight: float

    def __post_init__(self) -> None:
        _require(self, self.weight)

    def __call__(self, parameter: Tensor) -> Tensor:
        return self.weight * parameter.square().sum()


def _require(penalty: object, weight: float) -> None:
    if not weight >= 0:
        raise ValueError(f"{type(penalty).__name__}.weight must be zero or more, got {weight}")


@dataclass(frozen=True)
class ByLayer:
    """The sum of what each parameter's rule gives of it: a rule of a parameter's name, or with a dot at its end of all below that.

    >>> Training(penalty=ByLayer({"features.": L2(1e-4), "head.weight": L1(1e-5)}), ...)
    """

    rules: Mapping[str, Callable[[Tensor], Tensor]]

    def __post_init__(self) -> None:
        if not self.rules:
            raise ValueError("ByLayer needs at least one rule, got none")

    def __call__(self, model: nn.Module) -> Tensor:
        found = [rule(each) for name, rule in self.rules.items() for each in _named(model, name)]
        return torch.stack(found).sum()


def _named(model: nn.Module, name: str) -> list[nn.Parameter]:
    parameters = dict(model.named_parameters())
    below = name.endswith(".")
    found = [each for key, each in parameters.items() if key == name or (below and key.startswith(name))]
    if not found:
        raise ValueError(
            f"ByLayer's rules must name parameters of the model, got {name!r} where it has {[*parameters]}"
        )
    return found


def add_gradient(penalty: Penalty, model: nn.Module) -> None:
    """Add the penalty's gradient to those that parameters have; of those without one, which no row has used, none.

    Not by a backward of its own, which would be taken for one of a worker's rows and sent.
    """
    used = [parameter for parameter in model.parameters() if parameter.grad is not None]
    value = penalty(model)
    if not value.requires_grad:
        raise ValueError("Training.penalty must depend on parameters that are trained; it depends on fixed ones alone")
    gradients = torch.autograd.grad(value, used, allow_unused=True)
    for parameter, gradient in zip(used, gradients, strict=True):
        if gradient is not None and parameter.grad is not None:
            parameter.grad.add_(gradient)
