"""The layers of SSD's fork of Caffe: priors from the sizes of maps, and detections as rows."""

from collections.abc import Sequence
from math import sqrt

import torch
from torch import Tensor, nn
from torchvision.ops import box_convert, nms

from dlcore.zoo.priors import decode


class PriorBox(nn.Module):
    """Boxes (corner form, relative) and their variances, [1, 2, cells * boxes * 4], of a map [N, C, H, W] and a picture.

    ``sizes`` are (width, height) in pixels of the boxes of a cell, in order; ``step`` is (across, down) in pixels, and
    None: the picture's size over the map's.
    """

    def __init__(
        self,
        sizes: Sequence[tuple[float, float]],
        *,
        step: tuple[float, float] | None,
        offset: float,
        variances: Sequence[float],
        clip: bool,
        image: tuple[int, int] | None,
    ) -> None:
        super().__init__()
        self.sizes, self.step, self.offset = tuple(sizes), step, offset
        self.variances, self.clip, self.image = tuple(variances), clip, image

    def forward(self, blob: Tensor, picture: Tensor) -> Tensor:
        height, width = blob.shape[-2:]
        across, down = self.image or (picture.shape[-1], picture.shape[-2])
        step = self.step or (across / width, down / height)
        x = (torch.arange(width, dtype=torch.float64) + self.offset) * step[0] / across
        y = (torch.arange(height, dtype=torch.float64) + self.offset) * step[1] / down
        centres = torch.stack([x.expand(height, width), y[:, None].expand(height, width)], dim=-1)[:, :, None]
        halves = torch.tensor(self.sizes, dtype=torch.float64) / torch.tensor([across, down], dtype=torch.float64) / 2
        boxes = torch.cat([centres - halves, centres + halves], dim=-1)
        boxes = boxes.clamp(0, 1) if self.clip else boxes
        variances = torch.tensor(self.variances).expand(boxes.shape)
        return torch.stack([boxes.float().flatten(), variances.flatten()])[None]


def sizes_of_cell(
    smallest: Sequence[float], largest: Sequence[float], ratios: Sequence[float], flip: bool
) -> list[tuple[float, float]]:
    """Per smallest size: a square of it, one of its geometric mean with the largest, and a box for each ratio but 1."""
    every: list[float] = []
    for ratio in ratios:
        for one in (ratio, 1 / ratio) if flip else (ratio,):
            if all(abs(one - other) > 1e-6 for other in [1.0, *every]):
                every.append(one)
    found = []
    for number, size in enumerate(smallest):
        found.append((size, size))
        if largest:
            mean = sqrt(size * largest[number])
            found.append((mean, mean))
        found += [(size * sqrt(ratio), size / sqrt(ratio)) for ratio in every]
    return found


class DetectionOutput(nn.Module):
    """Rows (picture, class, score, x1, y1, x2, y2) [1, 1, K, 7] of offsets [N, P * 4], scores [N, P * C] and priors [1, 2, P * 4]."""

    def __init__(
        self,
        *,
        classes: int,
        background: int,
        confidence: float,
        iou: float,
        top: int,
        keep: int,
        scaled: bool,
        centre: bool,
    ) -> None:
        super().__init__()
        self.classes, self.background, self.confidence, self.iou = classes, background, confidence, iou
        self.top, self.keep, self.scaled, self.centre = top, keep, scaled, centre

    @torch.no_grad()
    def forward(self, offsets: Tensor, scores: Tensor, priors: Tensor) -> Tensor:
        corners, variances = priors.reshape(2, -1, 4)
        moved = offsets.reshape(len(offsets), -1, 4)
        factors = variances if self.scaled else torch.ones_like(variances)
        centred = box_convert(corners, "xyxy", "cxcywh")
        boxes = decode(moved, centred, factors) if self.centre else corners + moved * factors
        scores_NCP = scores.reshape(len(scores), -1, self.classes).transpose(1, 2)
        pictures = [self._picture(n, *one) for n, one in enumerate(zip(boxes, scores_NCP, strict=True))]
        return torch.cat(pictures)[None, None]

    def _picture(self, number: int, boxes_P4: Tensor, scores_CP: Tensor) -> Tensor:
        labels = [label for label in range(self.classes) if label != self.background]
        rows = torch.cat([self._one_class(number, label, boxes_P4, scores_CP[label]) for label in labels])
        if 0 <= self.keep < len(rows):
            best = rows[:, 2].argsort(descending=True, stable=True)[: self.keep]
            rows = rows[best.sort().values]
        return rows

    def _one_class(self, number: int, label: int, boxes_P4: Tensor, scores_P: Tensor) -> Tensor:
        above = (scores_P > self.confidence).nonzero().squeeze(1)
        order = above[scores_P[above].argsort(descending=True, stable=True)]
        order = order[: self.top] if self.top >= 0 else order
        kept = order[nms(boxes_P4[order], scores_P[order], self.iou)]
        head = torch.tensor([number, label], dtype=boxes_P4.dtype).expand(len(kept), 2)
        return torch.cat([head, scores_P[kept, None], boxes_P4[kept]], dim=1)
