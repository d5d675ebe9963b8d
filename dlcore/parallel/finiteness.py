"""Losses and gradients that are not finite: seen at the same step by all workers, and told by rank and parameter."""

import logging
import math
from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from dlcore.parallel.collective import gathered
from dlcore.parallel.reduction import Reduction

OnNan = Literal["stop", "skip"]
NAMED = 5
log = logging.getLogger("dlcore")


def finite(loss: float, gradients: Iterable[Tensor]) -> bool:
    """Whether a step's loss and gradients, summed over workers, are; one pass that reads them."""
    sums = (each.sum(dtype=torch.promote_types(each.dtype, torch.float32)) for each in gradients)
    return math.isfinite(loss) and all(math.isfinite(float(each)) for each in sums)


def ranks_not_finite(own_losses: Sequence[float], reduction: Reduction) -> list[int]:
    """The ranks with a loss that is not finite; all workers call it, each with the losses of its own shares."""
    bad = [b"" if math.isfinite(loss) else b"loss" for loss in own_losses]
    said = gathered(reduction.collective, bad, reduction.holdings)
    return [rank for rank, held in enumerate(reduction.holdings) if any(said[share] for share in held)]


def skip_or_stop(on_nan: OnNan, model: nn.Module, ranks: Sequence[int], *, step: int, tell: bool) -> None:
    """Say where a step is not finite: in the log if it is to be skipped, else, or if weights are not either, by a FloatingPointError."""
    named = dict(model.named_parameters())
    weights = [name for name, each in named.items() if not each.isfinite().all()]
    gradients = [name for name, each in named.items() if each.grad is not None and not each.grad.isfinite().all()]
    sentence = (
        f"step {step + 1} is not finite: the loss of the rows of ranks {ranks}, the gradient of {_told(gradients)}, "
        f"the weights of {_told(weights)}"
    )
    if on_nan == "stop" or weights:
        raise FloatingPointError(
            f"{sentence}. Look at the rate and at these rows, clip the gradient, or leave such steps out by "
            'Training(on_nan="skip"), which weights that are not finite cannot be helped by'
        )
    if tell:
        log.warning("%s; the step is skipped", sentence)


def _told(names: Sequence[str]) -> str:
    if not names:
        return "no parameter"
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
