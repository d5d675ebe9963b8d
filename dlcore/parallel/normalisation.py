"""Batch normalisation across workers: one set of running statistics, and, as a setting, one set of batch statistics.

A step that brings a batch normalisation one value a channel normalises it by the running statistics and leaves them as they are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import batch_norm
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase

from dlcore.parallel.collective import Alone, Collective
from dlcore.parallel.reduction import Reduction
from dlcore.parallel.tree import put


@dataclass
class Together:
    """With whom batch statistics are computed; a worker that stands in for one without rows ``counts`` for nothing."""

    collective: Collective
    counts: bool = True

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all workers, in float64."""
        total = values.double() if self.counts else torch.zeros_like(values, dtype=torch.float64)
        self.collective.sum(total)()
        return total


class _Normalises(_BatchNorm):
    """torch's batch normalisation, with names, weights and results as they are, that takes one value a channel too."""

    together: Together | None = None

    def forward(self, input: Tensor) -> Tensor:
        if not self.training and self.running_mean is not None:
            return super().forward(input)
        self._check_input_dim(input)  # type: ignore[no-untyped-call]
        if self.training and self.together is not None and self.together.collective.workers > 1:
            return self._synchronised(input, self.together)
        return self._as_it_stands(input) if input.numel() == input.shape[1] else super().forward(input)

    def _as_it_stands(self, x: Tensor) -> Tensor:
        """By the running statistics; without any, by the value itself, which gives zero."""
        mean, variance = self.running_mean, self.running_var
        if mean is None or variance is None:
            mean, variance = x.detach().transpose(0, 1).reshape(x.shape[1], -1)[:, 0], x.new_ones(x.shape[1])
        return batch_norm(x, mean, variance, self.weight, self.bias, False, 0.0, self.eps)

    def _synchronised(self, x: Tensor, together: Together) -> Tensor:
        count, mean, variance = _moments(x.detach(), together)
        if count <= 1:
            return self._as_it_stands(x)
        self._follow(mean, variance * count / (count - 1))
        made: Tensor = _Synchronised.apply(x, self.weight, self.bias, (mean, variance, self.eps), count, together)  # type: ignore[no-untyped-call]
        return made

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics as torch does."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        factor = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), factor)
        self.running_var.lerp_(variance.to(self.running_var.dtype), factor)


class BatchNorm1d(_Normalises, nn.BatchNorm1d): ...


class BatchNorm2d(_Normalises, nn.BatchNorm2d): ...


class BatchNorm3d(_Normalises, nn.BatchNorm3d): ...


OURS: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm1d: BatchNorm1d,
    nn.BatchNorm2d: BatchNorm2d,
    nn.BatchNorm3d: BatchNorm3d,
}


def convert_batchnorm(model: nn.Module) -> nn.Module:
    """Make each of torch's own batch normalisations one of these, in its place and with all it holds."""
    for module in model.modules():
        module.__class__ = OURS.get(type(module), type(module))
    return model


class RunningStatistics(nn.Module):
    """Buffers that are the running statistics of batch normalisations that are not torch's, such as Keras's."""


KEEPING = (_NormBase, RunningStatistics)
"""The modules whose buffers are running statistics."""


class BatchStatistics:
    """What the batch normalisations of a model keep, the same on all workers after each step.

    Of local ones, the changes of a step are averaged over shares by rows, each from what was kept before the step; of
    ``synchronised`` ones they are the same by themselves.
    """

    def __init__(self, model: nn.Module, *, synchronised: bool) -> None:
        self._together = Together(Alone())
        self._reduction = Reduction(Alone())
        normalising = [module for module in model.modules() if isinstance(module, KEEPING) and module.training]
        ours = [module for module in normalising if synchronised and isinstance(module, _Normalises)]
        if synchronised and any(isinstance(each, RunningStatistics) and each.state_dict() for each in normalising):
            raise ValueError(
                "Training.sync_batchnorm synchronises torch's own batch normalisation, which this model's is not; leave it out"
            )
        for module in ours:
            module.together = self._together
        self.synchronised = bool(ours)
        self._buffers = [buffer for module in normalising if module not in ours for buffer in module.buffers()]

    def join(self, reduction: Reduction) -> None:
        """Compute with these from the state that the model has now."""
        self._reduction, self._together.collective = reduction, reduction.collective
        self._begin_step()

    def begin(self, *, counts: bool) -> None:
        """Begin a pass, in which this worker's rows count or only stand in for rows it has not."""
        self._together.counts = counts

    def next_share(self) -> None:
        """Begin with another of this worker's shares where all begin."""
        if self._changing:
            self._set(self._before)

    @torch.no_grad()
    def put(self, share: int, weight: float) -> None:
        """Take the change that a ``share`` of this ``weight`` has made."""
        if self._changing:
            put(self._parts, share, (self._held() - self._before) * weight, shares=self._reduction.shares)

    def average(self) -> None:
        """Take the mean of the changes of all shares."""
        if self._changing:
            changes = torch.empty_like(self._before)
            self._reduction.sum(self._parts, changes)()
            self._set(self._before + changes)
            self._begin_step()

    def _begin_step(self) -> None:
        self._before, self._parts = self._held(), dict[range, Tensor]()

    @property
    def _changing(self) -> bool:
        return self._reduction.shares > 1 and bool(self._buffers)

    @torch.no_grad()
    def _set(self, values: Tensor) -> None:
        several = torch.split(values, [buffer.numel() for buffer in self._buffers])
        for buffer, value in zip(self._buffers, several, strict=True):
            buffer.copy_((value if buffer.is_floating_point() else value.round()).reshape(buffer.shape))

    def _held(self) -> Tensor:
        return torch.cat([torch.empty(0), *(buffer.detach().reshape(-1).double() for buffer in self._buffers)])


def _moments(x: Tensor, together: Together) -> tuple[float, Tensor, Tensor]:
    """How many values a channel has on all workers, and their mean and variance."""
    variance, mean = torch.var_mean(x.float(), dim=_but_channels(x), correction=0)
    count, mean = x.numel() // x.shape[1], mean.double()
    sums = torch.cat([mean, variance.double() + mean * mean, torch.ones(1)]) * count
    first, second, whole = torch.split(together.sum(sums), [x.shape[1], x.shape[1], 1])
    mean = first / whole
    return float(whole), mean.float(), (second / whole - mean * mean).clamp_(min=0).float()


def _but_channels(x: Tensor) -> list[int]:
    return [axis for axis in range(x.ndim) if axis != 1]


class _Synchronised(torch.autograd.Function):
    """Normalisation by moments of all workers' values, whose gradients are sums over all workers."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        moments: tuple[Tensor, Tensor, float],
        count: float,
        together: Together,
    ) -> Tensor:
        mean, variance, eps = moments
        ctx.save_for_backward(x, weight, mean, (variance + eps).rsqrt())
        ctx.count, ctx.together = count, together
        return batch_norm(x, mean, variance, weight, bias, False, 0.0, eps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, scale = ctx.saved_tensors
        gradient, (mean, scale) = gradients[0].float(), _alongside(x, mean, scale)
        normalised = (x.float() - mean) * scale
        offset = gradient.sum(_but_channels(x))
        slope = (gradient * normalised).sum(_but_channels(x))
        sums = ctx.together.sum(torch.cat([offset, slope])) / ctx.count
        of_offset, of_slope = _alongside(x, *sums.float().chunk(2))
        passed = (gradient - of_offset - normalised * of_slope) * scale * ctx.together.counts
        if weight is not None:
            [along] = _alongside(x, weight)
            return (passed * along).to(x.dtype), slope.to(weight.dtype), offset.to(weight.dtype), None, None, None
        return passed.to(x.dtype), None, None, None, None, None


def _alongside(x: Tensor, *channels: Tensor) -> Iterator[Tensor]:
    """Numbers of channels in a shape that goes with ``x``."""
    shape = [-1 if axis == 1 else 1 for axis in range(x.ndim)]
    return (each.reshape(shape) for each in channels)
