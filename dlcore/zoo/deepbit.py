"""DeepBit (Lin et al., CVPR 2016): binary codes of pictures by one linear layer on features, trained without labels.

The rows of a training are the features of a picture turned by -10, -5, 0, 5 and 10 degrees, all in one column of 5 x D numbers; what is
scored are those of a picture as it is, D numbers. ``features_ND`` are as many of the training's rows, not turned, as memory takes.

    start = begin(itq(features_ND, bits=64, seed=1), features_ND)
    plan = partial(Training, model=partial(DeepBit, features=D, bits=64), loss=changed_bits, ...)
    turned = {"features": Field("turned", shape=(5, D)), "label": "number"}  # any column of numbers: no label is looked at
    first = plan(step=Objective(rotation=0.0)).fit(df, **turned, start=start)
    second = plan(step=Objective()).fit(df, **turned, start=first)
    Artifact.save(folder, model="deepbit", arguments={"features": D, "bits": 64}, tensors=second.module.state_dict(), details={},
                  features="features", outputs={"code": Output("binary")}, models={"deepbit": DeepBit})
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from dlcore.zoo.projections import Floats, Projection, refuse_bits

MIDDLE = 0.5
"""Between the bits 0 and 1: the mean of each activation over the rows of a training, and so its threshold."""
SPREAD = 0.5
"""The deviation of a new layer's activations: then they are about as far from the middle as the bits are."""


class DeepBit(nn.Module):
    """Features [.., D] to codes [.., K/8] of bytes: a bit is 1 where an activation is above its mean over the training's rows.

    The layer sees features about their mean over those rows, in units of their length, so the mean of an activation is ``MIDDLE``, whatever
    the weights: the threshold is known at each step, and needs no pass over the rows at the end. ``begin`` knows both figures.
    """

    mean: Tensor
    length: Tensor

    def __init__(self, *, features: int, bits: int) -> None:
        super().__init__()
        refuse_bits(bits)
        self.layer = nn.Linear(features, bits, bias=False)
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("length", torch.ones(()))

    def activations(self, features: Tensor) -> Tensor:
        """[.., K], about their threshold ``MIDDLE``."""
        return self._about_threshold(features) + MIDDLE

    def forward(self, features: Tensor) -> Tensor:
        return packed(self._about_threshold(features) > 0)

    def _about_threshold(self, features: Tensor) -> Tensor:
        found: Tensor = self.layer((features - self.mean) / self.length)
        return found


class Pooled(nn.Module):
    """Features [.., C] of pictures [.., S, S, 3] in bytes: the mean over places of the map [n, C, h, w] that ``backbone`` makes of n.

    Of pictures [N, turns, S, S, 3] they are those of a training. ``nn.Sequential(Pooled(backbone), deepbit)`` makes codes of pictures;
    ``cut(ssd, "backbone.to_32")`` is a backbone that normalises the bytes itself.
    """

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, pictures: Tensor) -> Tensor:
        maps_NCHW = self.backbone(pictures.reshape(-1, *pictures.shape[-3:]))
        features: Tensor = maps_NCHW.mean(dim=(2, 3))
        return features.reshape(*pictures.shape[:-3], -1)


def packed(bits: Tensor) -> Tensor:
    """Truth values [.., K] as bytes [.., K/8], the first bit of each highest, as numpy packs them."""
    by_byte = bits.to(torch.uint8).reshape(*bits.shape[:-1], -1, 8)
    places = torch.tensor([128, 64, 32, 16, 8, 4, 2, 1], dtype=torch.uint8)
    found: Tensor = (by_byte * places).sum(dim=-1, dtype=torch.uint8)
    return found


def begin(projection: Projection, features_ND: Floats) -> dict[str, Tensor]:
    """Weights for ``fit(start=)``, whose codes are those of the projection; ``features_ND`` are rows of the training, not turned.

    The paper's layer is new: ``random_projection``. From ``itq`` on the codes become better (``dlcore/zoo/README.md`` has figures).
    """
    deviation_K = projection.project(features_ND).std(axis=0)
    if not deviation_K.all():
        raise ValueError(
            f"features must vary in every direction of the projection, got {(deviation_K == 0).sum()} still"
        )
    length = float(np.sqrt(np.square(features_ND - projection.mean_D).sum(axis=1).mean()))
    weight_KD = (projection.directions_DK * (SPREAD * length / deviation_K)).T
    found = {
        "layer.weight": weight_KD,
        "mean": projection.mean_D,
        "length": np.array(length),
    }
    return {name: torch.tensor(each, dtype=torch.float32) for name, each in found.items()}


@dataclass(frozen=True, kw_only=True)
class Objective:
    """DeepBit's three losses as a step of ``Training``: the sum over rows [N, turns, D], the middle turn being none, and their number.

    With activations x of a row and its bits b: ``quantisation`` times |b - x|^2 / 2; ``rotation`` times the sum over turns k steps from
    the middle of exp(-k^2 / 2) |x_k - x|^2 / 2, which is 0 in the first stage; and ``even`` times the sum over bits of (mean of b over the
    rows - 0.5)^2 / 2, which the paper divides by the batch once more (``even=1 / batch``). A bit has no slope: the first loss takes it as
    given, the last passes the gradient of its mean on to the activations (arXiv:1308.3432).

    N workers equal one in the first two losses. The last is of a worker's rows of a step: over N workers it is larger than one worker's
    by half the variance of their means, summed over bits.
    """

    quantisation: float = 1.0
    even: float = 1.0
    rotation: float = 0.001

    def __call__(self, model: DeepBit, turned_NPD: Tensor, targets: object) -> tuple[Tensor, Tensor]:
        if turned_NPD.ndim != 3 or turned_NPD.shape[1] % 2 == 0:
            raise ValueError(f"features must be [rows, an odd number of turns, D], got {list(turned_NPD.shape)}")
        rows, turns = turned_NPD.shape[:2]
        x_NPK = model.activations(turned_NPD)
        x_NK = x_NPK[:, turns // 2]
        bits_NK = (x_NK > MIDDLE).to(x_NK.dtype)
        quantisation = (bits_NK - x_NK).square().sum() / 2
        even = rows * (_passing(bits_NK, x_NK).mean(dim=0) - MIDDLE).square().sum() / 2
        total = self.quantisation * quantisation + self.even * even
        if self.rotation:
            total = total + self.rotation * _moved(x_NPK)
        return total, torch.tensor(float(rows))


def changed_bits(codes_NPB: Tensor, targets: object) -> Tensor:
    """The share of bits that a turn changes, by which a training may be validated: codes of [N, turns, K/8], the middle turn being none."""
    upright = codes_NPB[:, codes_NPB.shape[1] // 2, None]
    differing = codes_NPB ^ upright
    ones = torch.stack([(differing >> place) & 1 for place in range(8)])
    return ones.sum() / (8 * (differing.numel() - upright.numel()))


def _moved(x_NPK: Tensor) -> Tensor:
    """How far turns move the activations, those near the middle first of all."""
    turns = x_NPK.shape[1]
    steps_P = torch.arange(turns, dtype=x_NPK.dtype) - turns // 2
    moved_NP = (x_NPK - x_NPK[:, turns // 2, None]).square().sum(dim=2)
    return (moved_NP @ torch.exp(-steps_P.square() / 2)).sum() / 2


def _passing(bits: Tensor, x: Tensor) -> Tensor:
    """The bits, with the gradient of the activations."""
    return bits + x - x.detach()
