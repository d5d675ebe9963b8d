"""Local response normalisation as a banded 1x1 convolution with its own backward.

The sum of squares over neighbouring channels is a product with a band matrix, which the convolution library does at full speed in any
memory format; torch pads, pools and divides in seven passes over memory instead. Equal within float rounding.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d


class BandedLRN(nn.LocalResponseNorm):
    """``x / (k + alpha / size * sum of squares over the window) ** beta`` for ``x`` of shape [N, C, H, W]."""

    def forward(self, x_NCHW: Tensor) -> Tensor:
        band = _band(x_NCHW.shape[1], self.size, x_NCHW.dtype)
        found: Tensor = _Normalise.apply(x_NCHW, band, self.alpha / self.size, self.beta, self.k)  # type: ignore[no-untyped-call]
        return found


def replace_lrn(module: nn.Module) -> int:
    """Replace each ``nn.LocalResponseNorm`` inside ``module``; returns how many. It has no weights, so states stay the same."""
    count = 0
    for name, child in module.named_children():
        if type(child) is nn.LocalResponseNorm:
            setattr(module, name, BandedLRN(child.size, child.alpha, child.beta, child.k))
            count += 1
        else:
            count += replace_lrn(child)
    return count


def _band(channels: int, size: int, dtype: torch.dtype) -> Tensor:
    """[C, C, 1, 1], one where channel j is in the window of channel i: size // 2 before it, the rest after."""
    ones = torch.ones(channels, channels, dtype=dtype)
    return ones.triu(-(size // 2)).tril((size - 1) // 2).reshape(channels, channels, 1, 1)


class _Normalise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, band: Tensor, scale: float, beta: float, k: float) -> Tensor:
        base = conv2d(x * x, band).mul_(scale).add_(k)
        power = _power(base, beta)
        ctx.save_for_backward(x, base, power, band)
        ctx.factor = 2 * scale * beta
        return x * power

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, base, power, band = ctx.saved_tensors
        scaled = gradients[0] * power
        inner = conv2d((scaled * x).div_(base), band.transpose(0, 1).contiguous())
        return scaled.addcmul_(x, inner, value=-ctx.factor), None, None, None, None


def _power(base: Tensor, beta: float) -> Tensor:
    """``base ** -beta``; the usual 0.75 by two square roots, many times as fast as a power."""
    if beta == 0.75:
        root = base.rsqrt()
        return root.sqrt().mul_(root)
    return base.pow(-beta)
