"""The coder: crops through the detector's backbone and a layer of DeepBit to codes; an artifact inside of the detector's."""

from pathlib import Path

from torch import nn

from dlcore import Artifact, Field, Output
from dlcore.scoring.outputs import Outputs
from dlcore.zoo.cutting import cut
from dlcore.zoo.deepbit import DeepBit, Pooled
from pipelines.pictures.codes.cropping import SIDE, TURNS
from pipelines.pictures.detection.detector import network

MODEL = "codes"
LAYER = "backbone.to_32"
WIDTH = 1280
"""Features that the layer has."""
CODER = "coder"
"""The artifact's folder among the files of the detector's artifact, so that both are published as one."""

UPRIGHT, TURNED = Field("crop", shape=(SIDE, SIDE, 3)), Field("crop", shape=(len(TURNS), SIDE, SIDE, 3))
OUTPUTS: Outputs = {"code": Output("binary")}


def pooled(detector: nn.Module) -> Pooled:
    """The features of a detector's backbone."""
    return Pooled(cut(detector, LAYER))


def coder(classes: int, bits: int) -> nn.Module:
    """Crops [N, SIDE, SIDE, 3] in RGB to codes [N, bits / 8]; ``classes`` are the detector's, the background among them."""
    return nn.Sequential(pooled(network(classes)), DeepBit(features=WIDTH, bits=bits))


def saved(features: Pooled, layer: nn.Module, folder: Path, *, classes: int, bits: int) -> Artifact:
    """Write a coder's artifact."""
    return Artifact.save(
        str(folder),
        model=MODEL,
        arguments={"classes": classes, "bits": bits},
        tensors=nn.Sequential(features, layer).state_dict(),
        details={},
        features=UPRIGHT,
        outputs=OUTPUTS,
        models={MODEL: coder},
    )


def of(detector: Artifact, scratch: Path) -> Artifact:
    """The coder that was published with a detector, laid out below ``scratch``."""
    if not any(name.startswith(f"{CODER}/") for name in detector.files):
        raise LookupError(f"version {detector.id[:12]} has no coder; publish a model by a training that learns codes")
    folder = detector.extract(CODER, scratch / detector.id)
    return Artifact.load(str(folder), models={MODEL: coder}, outputs=OUTPUTS)
