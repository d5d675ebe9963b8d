"""Metrics of numbers that are predicted, one a row, from sums that are exact."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from dlcore.metrics.exact import exact_sum, total
from dlcore.metrics.metric import State, one_a_row, summed


def _errors(prediction: Any, target: Any, name: str | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Errors and targets, float64 [rows]."""
    outputs, targets = (each.double() for each in one_a_row(prediction, target, name))
    return outputs - targets, targets


@dataclass(frozen=True, kw_only=True)
class MeanAbsoluteError:
    """The mean of the absolute errors; ``of`` names the output and the target, where there are several."""

    of: str | None = None
    name: str = "mae"
    higher_is_better: bool = field(default=False, init=False)

    def update(self, prediction: Any, target: Any) -> State:
        errors, _ = _errors(prediction, target, self.of)
        return {"errors": exact_sum(errors.abs()), "rows": torch.tensor(len(errors))}

    def merge(self, states: Sequence[State]) -> State:
        return summed(states)

    def result(self, state: State) -> float:
        return float(total(state["errors"]) / int(state["rows"]))


@dataclass(frozen=True, kw_only=True)
class RootMeanSquaredError:
    """The root of the mean of the squared errors; ``of`` names the output and the target, where there are several."""

    of: str | None = None
    name: str = "rmse"
    higher_is_better: bool = field(default=False, init=False)

    def update(self, prediction: Any, target: Any) -> State:
        errors, _ = _errors(prediction, target, self.of)
        return {"squares": exact_sum(errors.square()), "rows": torch.tensor(len(errors))}

    def merge(self, states: Sequence[State]) -> State:
        return summed(states)

    def result(self, state: State) -> float:
        return math.sqrt(total(state["squares"]) / int(state["rows"]))


@dataclass(frozen=True, kw_only=True)
class R2:
    """The part of the targets' variance that the predictions explain, as scikit-learn has it; NaN where all targets are equal.

    ``of`` names the output and the target, where there are several.
    """

    of: str | None = None
    name: str = "r2"
    higher_is_better: bool = field(default=True, init=False)

    def update(self, prediction: Any, target: Any) -> State:
        errors, targets = _errors(prediction, target, self.of)
        sums = {"errors": errors.square(), "targets": targets, "squares": targets.square()}
        return {name: exact_sum(each) for name, each in sums.items()} | {"rows": torch.tensor(len(errors))}

    def merge(self, states: Sequence[State]) -> State:
        return summed(states)

    def result(self, state: State) -> float:
        errors, targets, squares = (total(state[name]) for name in ("errors", "targets", "squares"))
        spread = squares - targets * targets / int(state["rows"])
        return float(1 - errors / spread) if spread else float("nan")
