"""SSD's parts as loops over single numbers, slow and readable: what the fast ones are compared with."""

from math import exp, log

import numpy as np
from numpy.typing import NDArray

Box = NDArray[np.float64]


def iou(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return float(both / ((one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1]) - both))


def matches(boxes: Box, labels: list[int], priors: Box, threshold: float) -> dict[int, int]:
    """The box of each matched prior; both in corner form."""
    pairs = {(p, b): iou(boxes[b], priors[p]) for p in range(len(priors)) for b in range(len(boxes)) if labels[b]}
    found: dict[int, int] = {}
    while free := [
        pair for pair in pairs if pair[0] not in found and pair[1] not in found.values() and pairs[pair] > 1e-6
    ]:
        prior, box = max(free, key=lambda pair: (pairs[pair], -pair[0], -pair[1]))
        found[prior] = box
    joined = {}
    for prior in set(range(len(priors))) - set(found):
        overlaps = [(pairs[prior, box], -box) for box in range(len(boxes)) if labels[box]]
        if overlaps and max(overlaps)[0] >= threshold:
            joined[prior] = -max(overlaps)[1]
    return found | joined


def softmax(logits: Box) -> list[float]:
    highest = max(logits)
    powers = [exp(logit - highest) for logit in logits]
    return [power / sum(powers) for power in powers]


def loss(logits: Box, offsets: Box, boxes: Box, labels: list[int], centred: Box, corners: Box) -> tuple[float, int]:
    """The sum of one picture's losses, and its matches."""
    found = matches(boxes, labels, corners, 0.5)
    total = 0.0
    for prior, box in found.items():
        x1, y1, x2, y2 = boxes[box]
        cx, cy, w, h = centred[prior]
        wanted = [((x1 + x2) / 2 - cx) / w / 0.1, ((y1 + y2) / 2 - cy) / h / 0.1]
        wanted += [log((x2 - x1) / w) / 0.2, log((y2 - y1) / h) / 0.2]
        for got, want in zip(offsets[prior], wanted, strict=True):
            distance = abs(got - want)
            total += 0.5 * distance**2 if distance < 1 else distance - 0.5
        total -= log(softmax(logits[prior])[labels[box]])
    free = sorted(
        (-log(softmax(logits[prior])[0]) for prior in range(len(corners)) if prior not in found), reverse=True
    )
    return total + sum(free[: 3 * len(found)]), len(found)


def detections(scores: Box, boxes: Box, *, top: int, keep: int) -> list[tuple[float, int, int]]:
    """Score, class and prior of what one picture keeps, best first; ``scores`` [P, C] with the background."""
    kept: list[tuple[float, int, int]] = []
    for label in range(1, scores.shape[1]):
        above = [prior for prior in range(len(boxes)) if scores[prior, label] > 0.01]
        chosen: list[int] = []
        for prior in sorted(above, key=lambda prior: -scores[prior, label])[:top]:
            if all(iou(boxes[prior], boxes[better]) <= 0.45 for better in chosen):
                chosen.append(prior)
        kept += [(float(scores[prior, label]), label, prior) for prior in chosen]
    return sorted(kept, key=lambda one: -one[0])[:keep]
