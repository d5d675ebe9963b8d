"""Clipping of the global gradient: applied after the sum over all workers, so it does not depend on their number.

A clip gets each parameter's gradient and changes it in place.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Clip = Callable[[list[Tensor]], None]


@dataclass(frozen=True)
class ClipNorm:
    """Scale all gradients together so that their 2-norm is at most ``limit``."""

    limit: float

    def __post_init__(self) -> None:
        if not self.limit > 0:
            raise ValueError(f"ClipNorm.limit must be positive, got {self.limit}")

    def __call__(self, gradients: list[Tensor]) -> None:
        self.scale(gradients, norms(gradients))

    def scale(self, gradients: list[Tensor], norms: Tensor) -> None:
        """Scale some of the gradients, of all of which these are the norms."""
        norm = torch.linalg.vector_norm(norms)
        torch._foreach_mul_(gradients, torch.clamp(self.limit / (norm + 1e-6), max=1.0))


def norms(gradients: list[Tensor]) -> Tensor:
    """The 2-norm of each."""
    return torch.stack([torch.linalg.vector_norm(gradient) for gradient in gradients])


@dataclass(frozen=True)
class ClipValue:
    """Limit each element of each gradient to ``[-limit, limit]``."""

    limit: float

    def __post_init__(self) -> None:
        if not self.limit > 0:
            raise ValueError(f"ClipValue.limit must be positive, got {self.limit}")

    def __call__(self, gradients: list[Tensor]) -> None:
        for gradient in gradients:
            gradient.clamp_(-self.limit, self.limit)
