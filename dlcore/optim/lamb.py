"""LAMB: Adam with a rate for each layer (arXiv:1904.00962)."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class LAMB(Optimizer):
    """A parameter's step is ``lr * |w| / |u| * u``, where ``u`` is Adam's step, without bias, and ``weight_decay * w``.

    Vectors (biases, normalisation) take Adam's step at ``lr``, and no weight decay. Where a norm is zero the rate is ``lr``.
    """

    def __init__(
        self,
        params: Iterable[Any],
        *,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.0,
    ) -> None:
        if lr < 0 or weight_decay < 0 or eps <= 0 or not all(0 <= beta < 1 for beta in betas):
            raise ValueError(
                "LAMB needs lr and weight_decay of zero or more, betas in [0, 1) and a positive eps, got "
                f"{lr=}, {betas=}, {eps=}, {weight_decay=}"
            )
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update each parameter that has a gradient."""
        if closure is not None:
            raise ValueError("LAMB takes one gradient a step and no closure")
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group)

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        wanted, rate = self._adam(parameter, gradient, group), group["lr"]
        if parameter.ndim > 1:
            wanted.add_(parameter, alpha=group["weight_decay"])
            weight, length = float(parameter.norm()), float(wanted.norm())
            if weight > 0 and length > 0:
                rate *= weight / length
        parameter.sub_(wanted, alpha=rate)

    def _adam(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> Tensor:
        state, (mean_kept, square_kept) = self.state[parameter], group["betas"]
        if not state:
            state.update(step=0, exp_avg=torch.zeros_like(parameter), exp_avg_sq=torch.zeros_like(parameter))
        state["step"] += 1
        state["exp_avg"].lerp_(gradient, 1 - mean_kept)
        state["exp_avg_sq"].mul_(square_kept).addcmul_(gradient, gradient, value=1 - square_kept)
        mean: Tensor = state["exp_avg"] / (1 - mean_kept ** state["step"])
        square = state["exp_avg_sq"] / (1 - square_kept ** state["step"])
        return mean.div_(square.sqrt_().add_(group["eps"]))
