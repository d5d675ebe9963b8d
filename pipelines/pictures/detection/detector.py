"""The detector of an application: a light SSD, how it is trained, and what its predictions become."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.random import Generator
from torch import Tensor, nn
from torch.optim import AdamW

from dlcore import ClipNorm, OneCycle, Output, Start, Training
from dlcore.scoring.outputs import Outputs
from dlcore.zoo.cutting import freeze
from dlcore.zoo.detections import Detect
from dlcore.zoo.mean_precision import MeanPrecision
from dlcore.zoo.mobilenet_ssd import LIGHT, mobilenet_ssd
from dlcore.zoo.multibox import MultiboxLoss
from features.pictures.chains import Chain, OneOf, Sometimes, Step, Uniform
from features.pictures.colours import Brightness, Contrast, Reverse
from features.pictures.geometry import Expand, Flip, Resize
from features.pictures.preparing import Loading, Preparation, Targets
from features.pictures.sampling import SampleByIoU

MODEL = "light SSD"
SIDE = LIGHT.image
FROZEN = "backbone.to_8.3"
"""The layers up to it keep their ImageNet weights: they see edges and colours, and training is a third faster."""
NEW = ("backbone.beyond.", "head.")
"""The layers that have no weights of ImageNet's."""

DETECT = Detect(priors=LIGHT)
FOUND = "array<struct<label: int, score: float, left: float, top: float, right: float, bottom: float>>"
"""What is found in a picture: the class by its number from 1, and edges relative to the picture."""

PICTURE, TARGETS = "pixels", "targets"
RATE, RISE, DECAY, CLIP = 2e-3, 0.2, 0.01, 5.0


def network(classes: int, weights: Mapping[str, Tensor] | None = None) -> nn.Module:
    """A detector of so many classes, the background among them, whose first layers do not learn.

    ``weights`` are its backbone's: the state of torchvision's ``mobilenet_v2``.
    """
    model = mobilenet_ssd(classes=classes, weights=weights)
    freeze(model, upto=FROZEN)
    return model


def pretrained(weights: Mapping[str, Tensor]) -> Start:
    """What a training begins with: the backbone's ``weights`` of ImageNet, while all that is new stays as the training's seed builds it."""
    whole = network(2, weights).state_dict()
    named = {name: each for name, each in whole.items() if not name.startswith(NEW)}
    return Start(weights=named, new=NEW)


def augmented(*places: Step) -> Chain:
    """What a training's pictures go through; without chances, as in scoring, nothing but the resize, and RGB.

    Milder than SSD's own: objects keep about their size and colours, so that few pictures teach more (dlcore/zoo/README.md).
    """
    colours: tuple[Step, ...] = (Sometimes(Brightness(Uniform(-20, 20))), Sometimes(Contrast(Uniform(0.8, 1.2))))
    part = SampleByIoU(overlaps=(0.0,), scale=(0.5, 1.0), aspect=(3 / 4, 4 / 3))
    window = OneOf((part, part, Expand(Uniform(1, 1.4)), Chain(())))
    return Chain((*colours, window, *places, Resize(SIDE, SIDE), Reverse()))


UPRIGHT = augmented(Sometimes(Flip()))
"""For objects that have a top and a bottom."""
ANY_WAY_UP = augmented(Sometimes(Flip()), Sometimes(Flip(vertical=True)))
"""For objects without, such as cells under a microscope."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Training's and scoring's transform: an encoded picture to pixels [SIDE, SIDE, 3] in RGB, its boxes to what the loss takes."""

    loading: Loading

    def __call__(self, x: Any, y: Any, generator: Generator | None) -> tuple[Any, Any]:
        pixels, targets = self.loading(x, y, generator)
        return pixels, None if y is None else truths(targets, SIDE, SIDE)


def truths(targets: Targets, width: int, height: int) -> dict[str, Any]:
    """Of targets in dots: boxes [M, 4] relative to the picture, labels [M] from 1 (0: padding), and which are difficult [M]."""
    real = targets[:, 4] >= 0
    return {
        "boxes": (targets[:, :4] / np.array([width, height, width, height], np.float32)).clip(0, 1) * real[:, None],
        "labels": ((targets[:, 4] + 1) * real).astype(int),
        "difficult": (targets[:, 5] > 0).astype(int),
    }


def found(prediction: tuple[Tensor, Tensor]) -> Sequence[Mapping[str, Tensor]]:
    """The detections of each picture, best first."""
    return [
        {"label": one.labels, "score": one.scores}
        | dict(zip(("left", "top", "right", "bottom"), one.boxes.unbind(1), strict=True))
        for one in DETECT(prediction)
    ]


OUTPUTS: Outputs = {"found": Output(FOUND, found)}


@dataclass(frozen=True, kw_only=True)
class Detector:
    """Finds objects of ``classes``. ``chain`` is training's augmentation, to pixels of ``SIDE``; ``most`` bounds a picture's boxes."""

    classes: tuple[str, ...]
    chain: Chain = UPRIGHT
    most: int = 100

    @property
    def transform(self) -> Reading:
        return Reading(loading=Loading(preparation=Preparation(chain=self.chain), most=self.most, channels_last=True))

    @property
    def metric(self) -> MeanPrecision:
        return MeanPrecision(classes=self.classes, detect=DETECT)

    def thresholds(self, details: Mapping[str, Any]) -> list[float]:
        """The scores from which on objects count as found, in the order of the classes: an artifact's details are in one of their own."""
        return [float(details["thresholds"][name]) for name in self.classes]

    def training(self, *, pictures: int, batch: int, epochs: int, seed: int) -> Training:
        """The training on so many pictures: one cycle of AdamW, in bfloat16, mean precision told after each epoch."""
        steps = epochs * -(-pictures // batch)
        return Training(
            model=partial(network, classes=len(self.classes) + 1),
            loss=MultiboxLoss(priors=LIGHT),
            optimizer=partial(AdamW, weight_decay=DECAY),
            schedule=OneCycle(lr=RATE, rise=RISE, steps=steps),
            clip=ClipNorm(CLIP),
            batch=batch,
            epochs=epochs,
            seed=seed,
            precision="bfloat16",
            transform=self.transform,
            metrics=(self.metric,),
        )
