"""SSD's loss: smooth L1 on the offsets of matched priors, softmax on their classes and on the hardest of the rest."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, smooth_l1_loss

from dlcore.zoo.matching import match
from dlcore.zoo.priors import Priors, encode


@dataclass(frozen=True, kw_only=True)
class MultiboxLoss:
    """The sum of the losses of a batch's rows, and the number of their matches, by which it is divided over all workers.

    Takes what an SSD returns, ``(logits [N, P, C], offsets [N, P, 4])``, and a dict of ``boxes`` [N, M, 4] (corner form,
    relative to the picture) and ``labels`` [N, M] (from 1; 0 is padding, and the background in the logits). In each
    picture the ``negatives`` times as many free priors count as there are matches: those furthest from the background.
    A picture without boxes has no matches, hence no loss.
    """

    priors: Priors
    threshold: float = 0.5
    negatives: float = 3.0

    def __call__(self, outputs: tuple[Tensor, Tensor], targets: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        logits_NPC, offsets_NP4 = (output.float() for output in outputs)  # autocast may have left them in bfloat16
        self._check(logits_NPC)
        labels_NP, wanted_NP4 = self.targets(targets["boxes"], targets["labels"])
        matched = labels_NP > 0
        moved = smooth_l1_loss(offsets_NP4[matched], wanted_NP4[matched], reduction="sum")
        known = cross_entropy(logits_NPC.transpose(1, 2), labels_NP, reduction="none")
        hardest = self._hardest(known, matched)
        return moved + known[matched].sum() + hardest, matched.sum().to(known.dtype)

    @torch.no_grad()
    def targets(self, boxes_NM4: Tensor, labels_NM: Tensor) -> tuple[Tensor, Tensor]:
        """The class [N, P] of each prior, 0 where it is free, and the offsets [N, P, 4] onto its box."""
        boxes_NM4 = boxes_NM4.float()
        found = [
            match(boxes, labels, self.priors.corners_P4, threshold=self.threshold)
            for boxes, labels in zip(boxes_NM4, labels_NM.long(), strict=True)
        ]
        chosen = torch.stack([boxes[one.rows] for boxes, one in zip(boxes_NM4, found, strict=True)])
        return torch.stack([one.labels for one in found]), encode(chosen, self.priors.boxes_P4)

    def _hardest(self, losses_NP: Tensor, matched_NP: Tensor) -> Tensor:
        """The sum over the largest losses of free priors, which are their losses as background."""
        count_N1 = (matched_NP.sum(dim=1, keepdim=True) * self.negatives).long()
        free = losses_NP.masked_fill(matched_NP, -1)  # a loss is never negative: matched priors come last
        ordered = free.sort(dim=1, descending=True).values
        taken = (torch.arange(free.shape[1]) < count_N1) & (ordered >= 0)
        return ordered[taken].sum()

    def _check(self, logits_NPC: Tensor) -> None:
        if logits_NPC.shape[1] != len(self.priors):
            raise ValueError(
                f"MultiboxLoss has {len(self.priors)} priors, so an output must be [N, {len(self.priors)}, classes], "
                f"got {list(logits_NPC.shape)}; give the loss the priors of the model"
            )
