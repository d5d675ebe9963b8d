"""SSD: a backbone's maps, a convolution on each for classes and offsets (arXiv:1512.02325); and the paper's own, on VGG16."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torchvision.models.detection.ssd import SSDFeatureExtractorVGG, SSDHead
from torchvision.models.vgg import cfgs, make_layers

from dlcore.zoo.priors import SSD300, Priors

CAFFE_MEAN = (123.0, 117.0, 104.0)  # RGB; the paper's weights were trained on pixels less this, not divided


class Pixels(nn.Module):
    """Pictures as they are stored, uint8 [N, H, W, 3] in RGB, to floats [N, 3, H, W] as the backbone was trained on.

    Inside the model, so that no other place can do it differently. Floats [N, 3, H, W] of 0 to 255 pass through it too.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Sequence[float], deviation: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).reshape(3, 1, 1), persistent=False)
        self.register_buffer("scale", 1 / torch.tensor(deviation).reshape(3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if x.dtype == torch.uint8:
            x = x.permute(0, 3, 1, 2).float()
        return (x - self.mean) * self.scale


class SSD(nn.Module):
    """Classes and offsets of every prior: ``(logits [N, P, classes], offsets [N, P, 4])`` of uint8 pictures [N, S, S, 3] in RGB.

    ``backbone`` maps floats [N, 3, S, S] to the maps (a list, or a dict in order) whose channels are ``channels``.
    ``classes`` counts the background, which is class 0.
    """

    def __init__(
        self, backbone: nn.Module, channels: Sequence[int], *, pixels: Pixels, priors: Priors, classes: int
    ) -> None:
        super().__init__()
        if classes < 2:
            raise ValueError(f"an SSD needs two classes or more, the background among them, got {classes=}")
        self.pixels, self.backbone, self.priors = pixels, backbone, priors
        self.head = SSDHead(list(channels), priors.per_cell, classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.backbone(self.pixels(x))
        maps = list(maps.values()) if isinstance(maps, dict) else list(maps)
        found = self.head(maps)
        return found["cls_logits"], found["bbox_regression"]


def ssd300_vgg16(*, classes: int, weights: Mapping[str, Tensor] | None = None) -> SSD:
    """The paper's SSD300: VGG16 with its fc6 and fc7 as convolutions, 8732 priors, conv4_3 rescaled to a norm of 20.

    ``weights`` is the state of torchvision's ``vgg16``, of whose classifier nothing is used.
    """
    layers = make_layers(cfgs["D"])
    if weights is not None:
        layers.load_state_dict(
            {n.removeprefix("features."): w for n, w in weights.items() if n.startswith("features.")}
        )
    backbone = SSDFeatureExtractorVGG(layers, highres=False)
    pixels = Pixels(CAFFE_MEAN, (1, 1, 1))
    return SSD(backbone, (512, 1024, 512, 256, 256, 256), pixels=pixels, priors=SSD300, classes=classes)
