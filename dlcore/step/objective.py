"""What a method minimises and is judged by: the loss of a batch, by one model, in the method's precision."""

from functools import partial
from typing import Any

from torch import nn

from dlcore.data.feed import Batch
from dlcore.step.losses import Found, found, recognised
from dlcore.step.method import Method, align, in_float32, predicted
from dlcore.step.tuning import computing_in


class Objective:
    """``computed`` counts the batches whose loss was found, of training and of validation."""

    def __init__(self, method: Method, model: nn.Module) -> None:
        self._method, self._model = method, model
        self._loss = recognised(method.loss)
        self.computed = 0

    def training(self, batch: Batch) -> Found:
        """What a step minimises."""
        if self._method.step is None:
            return self.judged(batch)[2]
        with computing_in(self._method.precision):
            return self._found(partial(self._method.step, self._model, batch.inputs, batch.targets), batch.mine)

    def judged(self, batch: Batch) -> tuple[Any, Any, Found]:
        """Prediction and target, as loss and metrics get them, and the loss."""
        with computing_in(self._method.precision):
            prediction = predicted(self._model, batch.inputs)
        if self._method.precision != "float32":
            prediction = in_float32(prediction)
        prediction, target = align(prediction, batch.targets)
        return prediction, target, self._found(partial(self._loss, prediction, target), batch.mine)

    def _found(self, call: Any, rows: int) -> Found:
        result = found(call, rows=rows)
        self.computed += 1
        return result
