"""Which prior answers for which box: each box has a prior of its own, then priors that overlap a box enough join it."""

from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import box_iou

LEAST = 1e-6  # an overlap below it is none, as in the authors' release


class Matched(NamedTuple):
    """``labels`` [P] of the matched boxes, 0 where there is none; ``rows`` [P] of the box, meaningless where the label is 0."""

    labels: Tensor
    rows: Tensor


def match(boxes_M4: Tensor, labels_M: Tensor, priors_P4: Tensor, *, threshold: float = 0.5) -> Matched:
    """Match boxes of one picture to priors, both in corner form; rows whose label is 0 are padding.

    First the pair of largest overlap among the boxes and priors still free, again and again: so no two boxes share a
    prior. Then each free prior joins the box that it overlaps most, if by an IoU of at least ``threshold``. Among equals
    the first prior wins, then the first box.
    """
    real = labels_M.nonzero().squeeze(1)
    if not len(real):
        return Matched(*torch.zeros(2, len(priors_P4), dtype=torch.int64))
    overlaps = box_iou(boxes_M4[real], priors_P4)
    most, index = overlaps.max(dim=0)
    labels = labels_M[real][index] * (most >= threshold)
    for row, prior in enumerate(_one_each(overlaps)):
        if prior is not None:
            index[prior], labels[prior] = row, labels_M[real[row]]
    return Matched(labels, real[index])


def _one_each(overlaps_MP: Tensor) -> list[int | None]:
    """The prior of each box. A box looks for its best again only when another has taken it, so a picture costs one pass."""
    free = overlaps_MP.numpy().copy()
    best = free.argmax(axis=1)
    given: list[int | None] = [None] * len(free)
    waiting = set(range(len(free)))
    while waiting:
        row = min(waiting, key=lambda box: (-free[box, best[box]], best[box], box))
        prior = int(best[row])
        if free[row, prior] <= LEAST:
            break
        given[row] = prior
        waiting.remove(row)
        free[:, prior] = -1
        for other in waiting:
            if best[other] == prior:
                best[other] = free[other].argmax()
    return given
