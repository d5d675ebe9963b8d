"""Distributed synchronous SGD on Spark CPU clusters: an ordinary module, loss and DataFrame in, a fitted module out."""

from dlcore.artifact import Artifact, ArtifactError
from dlcore.clipping import ClipNorm, ClipValue
from dlcore.fields import Field
from dlcore.files import Folder
from dlcore.inference import predict
from dlcore.lars import LARS
from dlcore.progress import Progress
from dlcore.schedules import Constant, Cosine, Exponential, Plateau, Poly, Schedule, Step, Warmup, scale_linearly
from dlcore.training import Fitted, Training
from dlcore.vocabulary import Vocabulary

__all__ = [
    "LARS",
    "Artifact",
    "ArtifactError",
    "ClipNorm",
    "ClipValue",
    "Constant",
    "Cosine",
    "Exponential",
    "Field",
    "Fitted",
    "Folder",
    "Plateau",
    "Poly",
    "Progress",
    "Schedule",
    "Step",
    "Training",
    "Vocabulary",
    "Warmup",
    "predict",
    "scale_linearly",
]
