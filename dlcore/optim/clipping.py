"""Clipping of the global gradient: applied after the sum over all workers, so it does not depend on their number.

A clip gets all elements of the gradient as a few flat tensors and changes them in place.
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
        norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in gradients]))
        scale = torch.clamp(self.limit / (norm + 1e-6), max=1.0)
        torch._foreach_mul_(gradients, scale)


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
