"""Mean average precision is that of a slow count, and the same bits however the pictures are spread."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlcore.zoo.detections import Detections
from dlcore.zoo.mean_precision import MeanPrecision
from tests.dlcore.zoo import plain

CLASSES = ("RBC", "WBC", "Platelets", "never")
Array = NDArray[Any]


@dataclass
class Picture:
    key: str
    found: Detections
    boxes: Array
    labels: Array
    difficult: Array


def some_pictures(count: int) -> list[Picture]:
    """Detections near the truths and elsewhere, with few different scores, so that many are equal."""
    random = np.random.default_rng(4)
    return [_picture(random, f"picture-{number}") for number in range(count)]


def _picture(random: np.random.Generator, key: str) -> Picture:
    corner, size = random.random((8, 2)) * 0.7, 0.1 + random.random((8, 2)) * 0.2
    boxes, labels = np.concatenate([corner, corner + size], 1), random.integers(0, 4, 8)
    near = np.concatenate([boxes + random.normal(0, 0.02, (8, 4)), boxes + random.normal(0, 0.04, (8, 4))])
    guesses = np.where(random.random(16) < 0.8, np.maximum(np.tile(labels, 2), 1), random.integers(1, 4, 16))
    found = Detections(torch.tensor(near), torch.tensor(guesses), torch.tensor(random.integers(1, 9, 16) / 10))
    return Picture(key, found, boxes, labels, random.integers(0, 5, 8) == 0)


METRIC = MeanPrecision(classes=CLASSES)


def counted(pictures: list[Picture]) -> dict[str, Tensor]:
    columns = [np.stack([getattr(picture, name) for picture in pictures]) for name in ("boxes", "labels", "difficult")]
    target = dict(zip(("boxes", "labels", "difficult"), columns, strict=True))
    return dict(METRIC.update([picture.found for picture in pictures], target))


def slow(pictures: list[Picture], label: int) -> tuple[float, float]:
    """VOC's own procedure for one class: all detections in one list, best first, the wrong ones first of equal scores; both averages."""
    everything = []
    for picture in pictures:
        seen = set()
        for box, own, score in sorted_rows(picture.found):
            if own != label:
                continue
            overlaps = [(plain.iou(box, t), -m) for m, t in enumerate(picture.boxes) if picture.labels[m] == label]
            best, row = max(overlaps, default=(0.0, 0))
            if best > 0.5 and picture.difficult[-row]:
                continue
            everything.append((-float(score), best > 0.5 and row not in seen))
            seen.add(row if best > 0.5 else "")
    truths = sum(int(np.sum((p.labels == label) & ~p.difficult)) for p in pictures)
    hits, points = 0, []
    for number, (_, right) in enumerate(sorted(everything), 1):
        hits += right
        points.append((hits / truths, hits / number))
    voc07 = sum(max((p for r, p in points if r >= step / 10), default=0.0) for step in range(11)) / 11
    area, last = 0.0, 0.0
    for number, (recall, _) in enumerate(points):
        area += (recall - last) * max(p for _, p in points[number:])
        last = recall
    return voc07, area


def sorted_rows(found: Detections) -> list[tuple[Array, int, float]]:
    rows = zip(found.boxes.numpy(), found.labels.tolist(), found.scores.tolist(), strict=True)
    return sorted(rows, key=lambda row: -row[2])


def test_it_is_that_of_a_slow_count() -> None:
    pictures = some_pictures(30)
    result = METRIC.result(counted(pictures))
    expected = [slow(pictures, label) for label in (1, 2, 3)]
    for name, (voc07, area) in zip(CLASSES, expected, strict=False):
        assert (result[f"voc07/{name}"], result[f"area/{name}"]) == pytest.approx((voc07, area), abs=1e-12)
        assert 0.2 < voc07 < 0.95
    assert result["voc07"] == pytest.approx(sum(voc07 for voc07, _ in expected) / 3)
    assert "voc07/never" not in result


def test_any_sharding_and_order_give_the_same_bits() -> None:
    pictures = some_pictures(40)
    whole = METRIC.result(counted(pictures))
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(40)
        shards = [counted([pictures[row] for row in part]) for part in np.array_split(order, seed + 2)]
        assert METRIC.result(METRIC.merge(shards[::-1])) == whole


def test_perfect_double_and_difficult_ones() -> None:
    boxes = np.array([[0, 0, 10, 10], [20, 20, 40, 40.0]])
    twice = Detections(*(torch.tensor(part) for part in (boxes[[0, 0, 1]], [1, 1, 1], [0.9, 0.8, 0.7])))
    both = METRIC.result(counted([Picture("a", twice, boxes, np.array([1, 1]), np.array([False, False]))]))
    assert both["area"] == pytest.approx((1 + 2 / 3) / 2)  # the second of the same truth is false
    one = METRIC.result(counted([Picture("a", twice, boxes, np.array([1, 1]), np.array([True, False]))]))
    assert one["area"] == one["voc07"] == 1  # both that found the difficult one are left out


def test_nothing_found_is_zero_and_no_truth_is_not_a_number() -> None:
    empty = Detections(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0))
    boxes = np.array([[0, 0, 10, 10.0]])
    assert METRIC.result(counted([Picture("a", empty, boxes, np.array([2]), np.array([0]))]))["area"] == 0
    assert math.isnan(METRIC.result(counted([Picture("a", empty, boxes, np.array([0]), np.array([0]))]))["area"])


def test_a_figure_that_is_not_one_of_its_own_is_refused() -> None:
    with pytest.raises(ValueError, match="must be one of voc07, area"):
        MeanPrecision(classes=CLASSES, name="mAP")
