"""Judging a model on held-out rows, over the shares of all workers: their loss, by the rule of training, and metrics."""

from collections.abc import Iterable, Sequence

import torch

from dlcore.data.feed import Batch
from dlcore.step.collective import Collective
from dlcore.step.metrics import Metric, Tally
from dlcore.step.objective import Objective


def validated(
    objective: Objective, batches: Iterable[Batch], metrics: Sequence[Metric], collective: Collective
) -> tuple[float, dict[str, float]]:
    """The loss and the metrics' figures of all workers' rows; ``batches`` are this one's."""
    total, tally = torch.zeros(2, dtype=torch.float64), Tally(metrics)
    with torch.inference_mode():
        for batch in batches:
            prediction, target, found = objective.judged(batch)
            total += torch.tensor([found.total, found.counted], dtype=torch.float64)
            if metrics:
                tally.add(prediction, target)
        figures = tally.results_of_all(collective) if metrics else {}
    collective.sum(total)()
    loss, weight = float(total[0]), float(total[1])
    if not weight:
        raise ValueError("validation needs rows that count, but the loss gave a weight of zero for all of them")
    return loss / weight, figures
