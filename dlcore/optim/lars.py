"""LARS: momentum SGD with a rate for each layer (arXiv:1708.03888)."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class LARS(Optimizer):
    """Rate of a parameter = ``lr * trust * |w| / (|g| + weight_decay * |w|)``; vectors (biases, normalisation) are left at ``lr``.

    Vectors take no weight decay either. Where a norm is zero the rate is ``lr``.
    """

    def __init__(
        self,
        params: Iterable[Any],
        *,
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        trust: float = 0.001,
    ) -> None:
        if lr < 0 or not 0 <= momentum < 1 or weight_decay < 0 or trust <= 0:
            raise ValueError(
                "LARS needs lr and weight_decay of zero or more, momentum in [0, 1) and a positive trust, got "
                f"{lr=}, {momentum=}, {weight_decay=}, {trust=}"
            )
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "trust": trust})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update each parameter that has a gradient."""
        if closure is not None:
            raise ValueError("LARS takes one gradient a step and no closure")
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group)

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        rate, decay = group["lr"], 0.0
        if parameter.ndim > 1:
            decay = group["weight_decay"]
            weight, slope = float(parameter.norm()), float(gradient.norm())
            if weight > 0 and slope > 0:
                rate *= group["trust"] * weight / (slope + decay * weight)
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        # the rate is inside the buffer, so that a change of rate acts on new gradients alone, as in the paper
        state["momentum_buffer"].mul_(group["momentum"]).add_(gradient.add(parameter, alpha=decay), alpha=rate)
        parameter.sub_(state["momentum_buffer"])
