"""Metrics of classes, from counts of the rows by their class and the class that is predicted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from dlcore.metrics.metric import State, one_of, summed

Average = Literal["binary", "macro", "micro", "weighted"]


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """The part of the rows whose class is predicted: of several classes the one of the highest output, of two the positive one where the
    only output is above ``threshold`` (zero for logits, 0.5 for probabilities).

    ``of`` names the output and the target, where there are several. Rows of the class ``ignore_index`` do not count.
    """

    of: str | None = None
    threshold: float = 0.0
    ignore_index: int = -100
    name: str = "accuracy"
    higher_is_better: bool = field(default=True, init=False)

    def update(self, prediction: Any, target: Any) -> State:
        output, classes = one_of(prediction, self.of), one_of(target, self.of)
        found = output > self.threshold if output.numel() == classes.numel() else output.argmax(1)
        counts = classes.reshape(found.shape) != self.ignore_index
        right = (classes.reshape(found.shape) == found) & counts
        return {"right": right.sum(), "counted": counts.sum()}

    def merge(self, states: Sequence[State]) -> State:
        return summed(states)

    def result(self, state: State) -> float:
        return int(state["right"]) / max(1, int(state["counted"]))


@dataclass(frozen=True, kw_only=True)
class TopAccuracy:
    """The part of the rows whose class is among the ``k`` of the highest outputs; of equal outputs the lower class comes first.

    ``of`` names the output and the target, where there are several. Rows of the class ``ignore_index`` do not count. Unless it has a
    ``name``, it is called ``top_k`` by its number.
    """

    k: int
    of: str | None = None
    ignore_index: int = -100
    name: str = ""
    higher_is_better: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"TopAccuracy.k must be at least 1, got {self.k}")
        object.__setattr__(self, "name", self.name or f"top_{self.k}")

    def update(self, prediction: Any, target: Any) -> State:
        outputs, classes = one_of(prediction, self.of), one_of(target, self.of).reshape(-1, 1)
        found = (outputs.argsort(dim=1, descending=True, stable=True)[:, : self.k] == classes).any(1)
        counts = classes[:, 0] != self.ignore_index
        return {"right": (found & counts).sum(), "counted": counts.sum()}

    def merge(self, states: Sequence[State]) -> State:
        return summed(states)

    def result(self, state: State) -> float:
        return int(state["right"]) / max(1, int(state["counted"]))


def confusion(prediction: Tensor, target: Tensor, *, threshold: float, ignore_index: int) -> Tensor:
    """How many rows of each class (down) are predicted as each (across): int64 [classes, classes].

    One output a row is of two classes, the second where it is above ``threshold``.
    """
    single = prediction.numel() == target.numel()
    found = (prediction > threshold).long().reshape(-1) if single else prediction.argmax(1)
    size, classes = 2 if single else prediction.shape[1], target.reshape(-1).long()
    counts = classes != ignore_index
    if bool(((classes < 0) | (classes >= size))[counts].any()):
        raise ValueError(f"classes must be 0 to {size - 1}, got {sorted(set(classes[counts].tolist()))[:9]}")
    return torch.bincount(classes[counts] * size + found[counts], minlength=size * size).reshape(size, size)


@dataclass(frozen=True, kw_only=True)
class ConfusionMatrix:
    """How many rows of each class are predicted as each: the figures ``name/CLASS/PREDICTED``, and under ``name`` how many are wrong.

    ``of``, ``threshold`` and ``ignore_index`` are those of ``Accuracy``; classes count from zero.
    """

    of: str | None = None
    threshold: float = 0.0
    ignore_index: int = -100
    name: str = "confusion"
    higher_is_better: bool = field(default=False, init=False)

    def update(self, prediction: Any, target: Any) -> State:
        pair = one_of(prediction, self.of), one_of(target, self.of)
        return {"rows": confusion(*pair, threshold=self.threshold, ignore_index=self.ignore_index)}

    def merge(self, states: Sequence[State]) -> State:
        return summed(states)

    def result(self, state: State) -> dict[str, float]:
        rows = state["rows"]
        cells = {
            f"{self.name}/{actual}/{found}": count
            for actual, each in enumerate(rows.tolist())
            for found, count in enumerate(each)
        }
        return {self.name: int(rows.sum() - rows.diagonal().sum())} | cells

    def matrix(self, figures: Mapping[str, float]) -> list[list[int]]:
        """The counts among the figures of an evaluation, a row for each class."""
        size = round(sum(name.startswith(f"{self.name}/") for name in figures) ** 0.5)
        return [[int(figures[f"{self.name}/{actual}/{found}"]) for found in range(size)] for actual in range(size)]


@dataclass(frozen=True, kw_only=True)
class OfClasses:
    """A figure of each class, averaged: of two classes that of the second (``binary``); of more the mean over those that occur or are
    predicted (``macro``), that weighted by their rows (``weighted``), or the figure of all decisions taken together (``micro``).

    ``of``, ``threshold`` and ``ignore_index`` are those of ``Accuracy``. A figure whose divisor is zero is zero, as scikit-learn has it.
    """

    of: str | None = None
    threshold: float = 0.0
    ignore_index: int = -100
    average: Average = "binary"
    higher_is_better: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        if self.average not in get_args(Average):
            raise ValueError(f"{type(self).__name__}.average must be one of {get_args(Average)}, got {self.average!r}")

    def update(self, prediction: Any, target: Any) -> State:
        pair = one_of(prediction, self.of), one_of(target, self.of)
        rows = confusion(*pair, threshold=self.threshold, ignore_index=self.ignore_index)
        if self.average == "binary" and len(rows) > 2:
            raise ValueError(f'{type(self).__name__}.average="binary" is of two classes, got {len(rows)}; take "macro"')
        return {"rows": rows}

    def merge(self, states: Sequence[State]) -> State:
        return summed(states)

    def result(self, state: State) -> float:
        rows = state["rows"].double()
        right, predicted, actual = rows.diagonal(), rows.sum(0), rows.sum(1)
        if self.average == "micro":
            right, predicted, actual = (each.sum().reshape(1) for each in (right, predicted, actual))
        figures = self.figure(right, predicted, actual)
        if self.average == "binary":
            return float(figures[1])
        weights = actual if self.average == "weighted" else (predicted + actual > 0).double()
        return float((figures * weights).sum() / weights.sum().clamp(min=1))

    def figure(self, right: Tensor, predicted: Tensor, actual: Tensor) -> Tensor:
        """The figure of each class, of how many rows are rightly predicted, predicted, and there: float64 [classes]."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Precision(OfClasses):
    """The part of the rows predicted to be of a class that are."""

    name: str = "precision"

    def figure(self, right: Tensor, predicted: Tensor, actual: Tensor) -> Tensor:
        return right / predicted.clamp(min=1)


@dataclass(frozen=True, kw_only=True)
class Recall(OfClasses):
    """The part of the rows of a class that are predicted to be."""

    name: str = "recall"

    def figure(self, right: Tensor, predicted: Tensor, actual: Tensor) -> Tensor:
        return right / actual.clamp(min=1)


@dataclass(frozen=True, kw_only=True)
class F1(OfClasses):
    """The harmonic mean of precision and recall."""

    name: str = "f1"

    def figure(self, right: Tensor, predicted: Tensor, actual: Tensor) -> Tensor:
        return 2 * right / (predicted + actual).clamp(min=1)
