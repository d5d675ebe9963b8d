"""Mean average precision of detections, as Pascal VOC counts it: IoU above 0.5, each truth found once, difficult ones ignored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Rows = NDArray[Any]
State = Mapping[str, Tensor]


class Marks(NamedTuple):
    """What one picture's detections are worth: their ``order`` [K], best first, without those that found a difficult truth; of each of
    these whether it is the first that found its truth (``right``); of each truth whether it was ``found`` [M].
    """

    order: Rows
    right: Rows
    found: Rows


@dataclass(frozen=True, kw_only=True)
class MeanPrecision:
    """A ``dlcore.Metric``: ``voc07`` (mean precision at 11 recalls) or ``area`` (under the curve), averaged over classes that have truths.

    ``classes`` names the labels from 1; ``detect`` makes detections (boxes, labels, scores) of a prediction that is not yet such. A
    target has ``boxes`` [N, M, 4] in corner form, in the detections' unit, ``labels`` [N, M] (0: padding) and ``difficult`` [N, M].
    Of equal scores the wrong ones come first, so that the figure is a function of the pictures, the same bits however they lie.
    """

    classes: Sequence[str]
    detect: Callable[[Any], Sequence[Any]] | None = None
    iou: float = 0.5
    name: str = "voc07"
    higher_is_better: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        if self.name not in RULES:
            raise ValueError(f"MeanPrecision.name must be one of {', '.join(RULES)}, got {self.name!r}")

    def update(self, prediction: Any, target: Mapping[str, Any]) -> State:
        found = self.detect(prediction) if self.detect else prediction
        columns = [np.asarray(target[name]) for name in ("boxes", "labels", "difficult")]
        return self.merge([self.picture(*each) for each in zip(found, *columns, strict=True)])

    def picture(self, one: Any, boxes: Rows, labels: Rows, difficult: Rows) -> State:
        """The state of one picture."""
        marks = marked(one, boxes, labels, difficult, iou=self.iou)
        counted = labels[(labels > 0) & ~difficult.astype(bool)].astype(np.int64)
        return {
            "labels": torch.tensor(np.asarray(one.labels)[marks.order], dtype=torch.int64),
            "scores": torch.tensor(np.asarray(one.scores)[marks.order], dtype=torch.float32),
            "right": torch.tensor(marks.right, dtype=torch.bool),
            "truths": torch.from_numpy(np.bincount(counted - 1, minlength=len(self.classes))),
        }

    def merge(self, states: Sequence[State]) -> State:
        lists = {name: torch.cat([state[name] for state in states]) for name in ("labels", "scores", "right")}
        return {**lists, "truths": torch.stack([state["truths"] for state in states]).sum(0)}

    def result(self, state: State) -> dict[str, float]:
        """Both means, and each class's own, as ``voc07/RBC``; without any truth the means are not a number."""
        curves = self.curves(state)
        own = {f"{kind}/{name}": rule(*curves[name]) for kind, rule in RULES.items() for name in curves}
        return {kind: _mean([own[f"{kind}/{name}"] for name in curves]) for kind in RULES} | own

    def curves(self, state: State) -> dict[str, tuple[Rows, Rows]]:
        """Recall and precision after each detection, best first, of each class that has truths."""
        labels, scores, right, truths = (state[name].numpy() for name in ("labels", "scores", "right", "truths"))
        order = np.lexsort([right, -scores])
        labels, right = labels[order], right[order]
        return {
            name: curve(right[labels == label], int(truths[label - 1]))
            for label, name in enumerate(self.classes, 1)
            if truths[label - 1]
        }


def marked(one: Any, boxes: Rows, labels: Rows, difficult: Rows, *, iou: float = 0.5) -> Marks:
    """Hold one picture's detections (boxes, labels, scores) against its truths; rows of label 0 are padding, which nothing finds."""
    order = np.argsort(-np.asarray(one.scores, np.float64), kind="stable")
    overlaps = _iou(np.asarray(one.boxes, np.float64)[order], boxes.astype(np.float64))
    same = np.asarray(one.labels)[order][:, None] == labels
    overlaps = np.where(same, overlaps, 0.0)
    kept, right, found = [], [], np.zeros(len(labels), bool)
    for place, row in enumerate(overlaps):
        best = int(row.argmax()) if len(row) else -1
        hit = best >= 0 and bool(row[best] > iou)
        if not (hit and difficult[best]):
            kept.append(order[place])
            right.append(hit and not found[best])
        if hit:
            found[best] = True
    return Marks(np.array(kept, np.int64), np.array(right, bool), found)


def curve(right: Rows, truths: int) -> tuple[Rows, Rows]:
    """Recall and precision after each detection, best first; ``right`` says whether it found a truth."""
    hits = right.cumsum()
    return hits / truths, hits / np.arange(1, len(right) + 1)


def at_11_recalls(recall: Rows, precision: Rows) -> float:
    """The mean over recalls 0, 0.1 .. 1 of the best precision at that recall or a higher one (VOC until 2009)."""
    return _mean([float(precision[recall >= step / 10].max(initial=0)) for step in range(11)])


def under_curve(recall: Rows, precision: Rows) -> float:
    """The area under the precision made to fall (VOC since 2010)."""
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * falling))


RULES = {"voc07": at_11_recalls, "area": under_curve}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("nan")


def _iou(one: Rows, other: Rows) -> Rows:
    """[K, M] of boxes in corner form."""
    low, high = np.maximum(one[:, None, :2], other[:, :2]), np.minimum(one[:, None, 2:], other[:, 2:])
    both = (high - low).clip(0).prod(axis=2)
    sizes = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (one, other)]
    return both / np.maximum(sizes[0][:, None] + sizes[1] - both, np.finfo(float).tiny)  # type: ignore[no-any-return]
