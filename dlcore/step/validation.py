"""Judging a model on held-out rows: their loss, by the rule of training, over the shares of all workers."""

from collections.abc import Iterable

import torch

from dlcore.data.feed import Batch
from dlcore.step.collective import Collective
from dlcore.step.objective import Objective


def validated(objective: Objective, batches: Iterable[Batch], collective: Collective) -> float:
    """The loss of all workers' rows; ``batches`` are this one's."""
    total = torch.zeros(2, dtype=torch.float64)
    with torch.inference_mode():
        for batch in batches:
            _, _, found = objective.judged(batch)
            total += torch.tensor([found.total, found.counted], dtype=torch.float64)
    collective.sum(total)()
    loss, weight = float(total[0]), float(total[1])
    if not weight:
        raise ValueError("validation needs rows that count, but the loss gave a weight of zero for all of them")
    return loss / weight
