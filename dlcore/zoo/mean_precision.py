"""Mean average precision of detections, as Pascal VOC counts it: IoU above 0.5, each truth found once, difficult ones ignored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[Any]


def ranked(key: str = "") -> np.dtype[Any]:
    """The row of a detection; numpy widens keys as rows are joined."""
    return np.dtype(
        [("label", "i4"), ("score", "f8"), ("key", f"U{max(len(key), 1)}"), ("place", "i4"), ("right", "?")]
    )


@dataclass(kw_only=True)
class MeanPrecision:
    """Counts of any share of the pictures, which ``merge`` to those of all: the result is the same, bit for bit, however they lie.

    ``classes`` names the labels from 1. ``key`` is a picture's own and orders detections of equal score; a picture
    counted twice is in it twice. What is kept are arrays: ``chunks`` of rows, one a detection that counts, and ``truths`` [C].
    """

    classes: Sequence[str]
    iou: float = 0.5
    chunks: list[Rows] = field(default_factory=list)
    truths: Rows = field(init=False)

    def __post_init__(self) -> None:
        self.truths = np.zeros(len(self.classes), np.int64)

    def update(self, keys: Sequence[str], detections: Sequence[Any], targets: Mapping[str, Any]) -> None:
        """Add pictures: ``detections`` have boxes, labels and scores; ``targets`` boxes, labels (0: padding), difficult, padded alike.

        Boxes are in corner form, in one unit; tensors and arrays serve.
        """
        columns = [np.asarray(targets[name]) for name in ("boxes", "labels", "difficult")]
        for key, one, boxes, labels, difficult in zip(keys, detections, *columns, strict=True):
            real = labels > 0
            self.truths += np.bincount(labels[real & ~difficult.astype(bool)] - 1, minlength=len(self.classes))
            self.chunks.append(self._picture(str(key), one, boxes[real], labels[real], difficult[real].astype(bool)))

    def merge(self, other: Self) -> None:
        """Add what another has counted, of other pictures."""
        if (list(self.classes), self.iou) != (list(other.classes), other.iou):
            raise ValueError(
                "only counts of the same classes and IoU merge, "
                f"got {self.classes} at {self.iou} and {other.classes} at {other.iou}"
            )
        self.chunks, self.truths = self.chunks + other.chunks, self.truths + other.truths

    def result(self) -> dict[str, float]:
        """``voc07`` (mean precision at 11 recalls) and ``area`` (under the curve), averaged over the classes that have truths.

        And each class's own, as ``voc07/RBC``. Without any truth they are not a number.
        """
        found = np.concatenate([np.empty(0, ranked()), *self.chunks])
        found = found[np.lexsort([found["place"], found["key"], -found["score"]])]
        curves = {}
        for label, name in enumerate(self.classes, 1):
            if self.truths[label - 1]:
                curves[name] = curve(found["right"][found["label"] == label], int(self.truths[label - 1]))
        own = {f"{kind}/{name}": rule(*curves[name]) for kind, rule in RULES.items() for name in curves}
        means = {kind: _mean([own[f"{kind}/{name}"] for name in curves]) for kind in RULES}
        return means | own

    def _picture(self, key: str, one: Any, boxes: Rows, labels: Rows, difficult: Rows) -> Rows:
        scores = np.asarray(one.scores, np.float64)
        order = np.argsort(-scores, kind="stable")
        overlaps = _iou(np.asarray(one.boxes, np.float64)[order], boxes.astype(np.float64))
        taken: set[int] = set()
        rows = []
        for place, label in enumerate(np.asarray(one.labels)[order]):
            row = np.where(labels == label, overlaps[place], 0.0)
            best = int(row.argmax()) if len(row) else -1
            hit = best >= 0 and row[best] > self.iou
            if hit and difficult[best]:
                continue
            rows.append((label, scores[order[place]], key, place, hit and best not in taken))
            if hit:
                taken.add(best)
        return np.array(rows, ranked(key))


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
