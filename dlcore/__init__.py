"""Distributed synchronous SGD on Spark CPU clusters: an ordinary module, loss and DataFrame in, a fitted module out."""

from dlcore.artifact import Artifact, ArtifactError
from dlcore.clipping import ClipNorm, ClipValue
from dlcore.inference import predict
from dlcore.lars import LARS
from dlcore.progress import Progress
from dlcore.schedules import Constant, Cosine, Exponential, Plateau, Poly, Schedule, Step, Warmup, scale_linearly
from dlcore.training import Fitted, Training

__all__ = [
    "LARS",
    "Artifact",
    "ArtifactError",
    "ClipNorm",
    "ClipValue",
    "Constant",
    "Cosine",
    "Exponential",
    "Fitted",
    "Plateau",
    "Poly",
    "Progress",
    "Schedule",
    "Step",
    "Training",
    "Warmup",
    "predict",
    "scale_linearly",
]
