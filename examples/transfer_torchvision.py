"""Transfer learning by torchvision: a trained ResNet cut at a named layer, frozen up to it, with a head; and a Siamese network on it.

python -m examples.transfer_torchvision TRAINED.safetensors
"""

import sys
from functools import partial

from torch import Tensor, nn
from torchvision.models import resnet18
from torchvision.models.feature_extraction import create_feature_extractor

from dlcore.zoo.cutting import freeze
from dlcore.zoo.pretrained import read_state
from examples.digits import Siamese, classified, compared


class Features(nn.Module):
    """Of pictures [N, 1, 8, 8], 128 numbers each: what the trained network has at the end of ``layer2``."""

    def __init__(self, file: str) -> None:
        super().__init__()
        trained = resnet18(num_classes=5)
        trained.load_state_dict(read_state(file))
        freeze(trained, upto="layer2")  # batch statistics too
        self.cut = create_feature_extractor(trained, {"layer2": "features"})

    def forward(self, x: Tensor) -> Tensor:
        return self.cut(x.expand(-1, 3, -1, -1))["features"].mean(dim=(2, 3))  # type: ignore[no-any-return]


def classifier(file: str) -> nn.Module:
    return nn.Sequential(Features(file), nn.Linear(128, 10))


def siamese(file: str) -> nn.Module:
    return Siamese(Features(file), width=128)


def main(file: str) -> None:
    for what, fit, model in (("digits", classified, classifier), ("pairs", compared, siamese)):
        print(what, fit(partial(model, file), (1, 8, 8)).history[-1])


if __name__ == "__main__":
    main(sys.argv[1])
