"""A light SSD on torchvision's MobileNetV2, for CPUs: 300 x 300 pixels, maps of strides 8 to 128."""

from collections.abc import Mapping

from torch import Tensor, nn
from torchvision.models import mobilenet_v2
from torchvision.ops import Conv2dNormActivation

from dlcore.zoo.priors import Priors
from dlcore.zoo.ssd import SSD, Pixels

IMAGENET_MEAN, IMAGENET_DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
CHANNELS = (192, 576, 1280, 512, 256)

LIGHT = Priors(
    image=300,
    grids=(38, 19, 10, 5, 3),
    steps=(8, 16, 32, 64, 100),
    scales=(0.07, 0.15, 0.33, 0.51, 0.69, 0.87),
    ratios=((2,), (2, 3), (2, 3), (2, 3), (2,)),
)


class MobileNetMaps(nn.Module):
    """The maps that MobileNetV2 widens before it halves them (strides 8 and 16), its last, and two more beyond it.

    ``weights`` is the state of torchvision's ``mobilenet_v2``, of whose classifier nothing is used.
    """

    def __init__(self, weights: Mapping[str, Tensor] | None = None) -> None:
        super().__init__()
        whole = mobilenet_v2(weights=None)
        if weights is not None:
            whole.load_state_dict(weights)
        blocks = list(whole.features)
        self.to_8 = nn.Sequential(*blocks[:7], blocks[7].conv[0])  # wide map of block 7, before its stride
        self.to_16 = nn.Sequential(blocks[7].conv[1:], *blocks[8:14], blocks[14].conv[0])
        self.to_32 = nn.Sequential(blocks[14].conv[1:], *blocks[15:])
        self.beyond = nn.ModuleList([_halved(1280, 256, 512), _halved(512, 128, 256)])

    def forward(self, x_NCHW: Tensor) -> list[Tensor]:
        maps = []
        for stage in (self.to_8, self.to_16, self.to_32, *self.beyond):
            x_NCHW = stage(x_NCHW)
            maps.append(x_NCHW)
        return maps


def _halved(before: int, between: int, after: int) -> nn.Module:
    return nn.Sequential(
        Conv2dNormActivation(before, between, 1, activation_layer=nn.ReLU6),
        Conv2dNormActivation(between, after, 3, stride=2, activation_layer=nn.ReLU6),
    )


def mobilenet_ssd(*, classes: int, weights: Mapping[str, Tensor] | None = None, priors: Priors = LIGHT) -> SSD:
    """The light SSD; ``weights`` (ImageNet's, say, by ``read_state``) are those of its backbone, ``classes`` counts the background."""
    pixels = Pixels(IMAGENET_MEAN, IMAGENET_DEVIATION)
    return SSD(MobileNetMaps(weights), CHANNELS, pixels=pixels, priors=priors, classes=classes)
