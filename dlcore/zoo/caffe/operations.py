"""Caffe's layers that torch has no module for."""

from collections.abc import Callable, Sequence
from functools import reduce
from math import prod

import torch
from torch import Tensor, nn

OPERATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"SUM": torch.add, "PROD": torch.mul, "MAX": torch.maximum}


class Scale(nn.Module):
    """``x * weight + bias``, either of which may be missing; a weight's first axis lies on axis ``axis`` of ``x``."""

    def __init__(self, weight: Tensor | None, bias: Tensor | None, axis: int) -> None:
        super().__init__()
        self.weight = None if weight is None else nn.Parameter(weight)
        self.bias = None if bias is None else nn.Parameter(bias)
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        if self.weight is not None:
            x = x * aligned(self.weight, x, self.axis)
        return x if self.bias is None else x + aligned(self.bias, x, self.axis)


def aligned(weight: Tensor, x: Tensor, axis: int) -> Tensor:
    """``weight`` with axes of one after it, so that it begins at axis ``axis`` of ``x``."""
    return weight.reshape(*weight.shape, *[1] * (x.ndim - axis % x.ndim - weight.ndim))


class Multiply(nn.Module):
    """A Scale layer of two blobs: the second lies on axis ``axis`` of the first."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, x: Tensor, weight: Tensor) -> Tensor:
        return x * aligned(weight, x, self.axis)


class Power(nn.Module):
    """``(shift + scale * x) ** power``."""

    def __init__(self, power: float, scale: float, shift: float) -> None:
        super().__init__()
        self.power, self.scale, self.shift = power, scale, shift

    def forward(self, x: Tensor) -> Tensor:
        moved = x * self.scale + self.shift
        return moved if self.power == 1 else moved**self.power


class Absolute(nn.Module):
    """``|x|``."""

    def forward(self, x: Tensor) -> Tensor:
        return x.abs()


class Eltwise(nn.Module):
    """The sum (by ``coefficients``), product or maximum of blobs of one shape."""

    def __init__(self, operation: str, coefficients: Sequence[float]) -> None:
        super().__init__()
        self.operation, self.coefficients = operation, tuple(coefficients)

    def forward(self, *blobs: Tensor) -> Tensor:
        if self.operation == "SUM" and self.coefficients:
            blobs = tuple(blob * factor for blob, factor in zip(blobs, self.coefficients, strict=True))
        return reduce(OPERATIONS[self.operation], blobs)


class Concat(nn.Module):
    """Blobs joined along an axis."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, *blobs: Tensor) -> Tensor:
        return torch.cat(blobs, dim=self.axis)


class Slice(nn.Module):
    """A blob cut along an axis, at ``points`` or into ``parts`` equal ones."""

    def __init__(self, axis: int, points: Sequence[int], parts: int) -> None:
        super().__init__()
        self.axis, self.points, self.parts = axis, list(points), parts

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return torch.tensor_split(x, self.points or self.parts, dim=self.axis)


class Split(nn.Module):
    """A blob under several names."""

    def __init__(self, parts: int) -> None:
        super().__init__()
        self.parts = parts

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return (x,) * self.parts


class Reshape(nn.Module):
    """The shape ``dims``, in which 0 keeps the size that was there and -1 takes what is left."""

    def __init__(self, dims: Sequence[int]) -> None:
        super().__init__()
        self.dims = tuple(dims)

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape([x.shape[axis] if size == 0 else size for axis, size in enumerate(self.dims)])


class Permute(nn.Module):
    """Axes in another order; those not named follow."""

    def __init__(self, order: Sequence[int]) -> None:
        super().__init__()
        self.order = tuple(order)

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(*self.order, *[axis for axis in range(x.ndim) if axis not in self.order])


class Normalize(nn.Module):
    """Each place divided by its norm over the channels (``across``: by that of all places), times a trained ``weight``."""

    def __init__(self, weight: Tensor, across: bool, eps: float) -> None:
        super().__init__()
        self.weight, self.across, self.eps = nn.Parameter(weight), across, eps

    def forward(self, x_NCHW: Tensor) -> Tensor:
        axes = (1, 2, 3) if self.across else (1,)
        root = (x_NCHW.square().sum(dim=axes, keepdim=True) + self.eps).sqrt()
        return x_NCHW / root * self.weight.reshape(1, -1, 1, 1)


class Linear(nn.Linear):
    """A linear layer over all axes from ``axis`` on."""

    def __init__(self, weight: Tensor, bias: Tensor | None, axis: int) -> None:
        super().__init__(weight.shape[1], weight.shape[0], bias=bias is not None)
        self.weight = nn.Parameter(weight)
        self.bias = None if bias is None else nn.Parameter(bias)  # type: ignore[assignment]
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.reshape(*x.shape[: self.axis], prod(x.shape[self.axis :])))
