"""Detections of an SSD's outputs: decoded, sorted out by class, and the best kept."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import nms

from dlcore.zoo.priors import Priors, decode


class Detections(NamedTuple):
    """What was found in one picture, best first: ``boxes`` [K, 4] (corner form, relative, inside the picture), ``labels``, ``scores``."""

    boxes: Tensor
    labels: Tensor
    scores: Tensor


@dataclass(frozen=True, kw_only=True)
class Detect:
    """In each class the ``top`` priors scored above ``confidence``, without those that overlap a better one by more than ``iou``.

    Of all classes together the best ``keep`` that have an area inside the picture stay. The defaults are the paper's.
    """

    priors: Priors
    confidence: float = 0.01
    iou: float = 0.45
    top: int = 400
    keep: int = 200

    @torch.no_grad()
    def __call__(self, outputs: tuple[Tensor, Tensor]) -> list[Detections]:
        """Take ``(logits [N, P, C], offsets [N, P, 4])``; class 0 is the background."""
        logits_NPC, offsets_NP4 = (output.float() for output in outputs)
        boxes_NP4 = decode(offsets_NP4, self.priors.boxes_P4)
        scores_NCP = logits_NPC.softmax(dim=2).transpose(1, 2)[:, 1:]
        return [self._picture(boxes, scores) for boxes, scores in zip(boxes_NP4, scores_NCP, strict=True)]

    def _picture(self, boxes_P4: Tensor, scores_CP: Tensor) -> Detections:
        classes = [self._one_class(boxes_P4, scores_P) for scores_P in scores_CP]
        labels = torch.cat([torch.full_like(kept, label) for label, kept in enumerate(classes, 1)])
        chosen = torch.cat(classes)
        boxes = boxes_P4[chosen].clamp(0, 1)
        scores = scores_CP[labels - 1, chosen]
        order = scores.argsort(descending=True, stable=True)
        order = order[(boxes[order, 2:] > boxes[order, :2]).all(dim=1)][: self.keep]
        return Detections(boxes[order], labels[order], scores[order])

    def _one_class(self, boxes_P4: Tensor, scores_P: Tensor) -> Tensor:
        """The priors that stay, best first; among equal scores the first."""
        above = (scores_P > self.confidence).nonzero().squeeze(1)
        order = above[scores_P[above].argsort(descending=True, stable=True)[: self.top]]
        kept: Tensor = order[nms(boxes_P4[order], scores_P[order], self.iou)]
        return kept
