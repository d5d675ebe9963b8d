"""What a method minimises and is judged by: the loss of a batch, by one model, in the method's precision."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from dlcore.data.feed import Batch
from dlcore.metrics.metric import Metric
from dlcore.metrics.tally import Tally, results_of_all
from dlcore.parallel.reduction import Reduction
from dlcore.parallel.tree import put
from dlcore.step.losses import Found, found, is_plain, recognised
from dlcore.step.method import Method, align, in_float32, predicted
from dlcore.step.tuning import computing_in


class Objective:
    """``computed`` counts the batches whose loss was found, of training and of validation."""

    def __init__(self, method: Method, model: nn.Module) -> None:
        self._method, self._model = method, model
        self._loss = recognised(method.loss)
        self._watched = not is_plain(self._loss)
        self.computed = 0

    def training(self, batch: Batch) -> Found:
        """What a step minimises."""
        if self._method.step is None:
            return self.judged(batch)[2]
        with computing_in(self._method.precision):
            return self._found(
                partial(self._method.step, self._model, batch.inputs, batch.targets), batch.mine, watched=True
            )

    def judged(self, batch: Batch) -> tuple[Any, Any, Found]:
        """Prediction and target, as loss and metrics get them, and the loss."""
        with computing_in(self._method.precision):
            prediction = predicted(self._model, batch.inputs)
        if self._method.precision != "float32":
            prediction = in_float32(prediction)
        prediction, target = align(prediction, batch.targets)
        loss = self._found(partial(self._loss, prediction, target), batch.mine, watched=self._watched)
        return prediction, target, loss

    def _found(self, call: Any, rows: int, *, watched: bool) -> Found:
        result = found(call, rows=rows, watched=watched)
        self.computed += 1
        return result


def validated(
    objective: Objective, shares: Mapping[int, Iterable[Batch]], metrics: Sequence[Metric], reduction: Reduction
) -> tuple[float, dict[str, float]]:
    """The loss and the metrics' figures of all shares' rows; ``shares`` are this worker's."""
    parts, tallies = dict[range, Tensor](), [Tally(metrics) for _ in shares]
    with torch.inference_mode():
        for (share, batches), tally in zip(shares.items(), tallies, strict=True):
            put(parts, share, _judged(objective, batches, tally), shares=reduction.shares)
        figures = results_of_all(metrics, tallies, reduction) if metrics else {}
        total = torch.empty(2, dtype=torch.float64)
        reduction.sum(parts, total)()
    loss, weight = total.tolist()
    if not weight:
        raise ValueError("validation needs rows that count, but the loss gave a weight of zero for all of them")
    return loss / weight, figures


def _judged(objective: Objective, batches: Iterable[Batch], tally: Tally) -> Tensor:
    """The sum of a share's losses and its weight."""
    total = torch.zeros(2, dtype=torch.float64)
    for batch in batches:
        prediction, target, found = objective.judged(batch)
        total += torch.tensor([found.total, found.counted], dtype=torch.float64)
        tally.add(prediction, target)
    return total
