"""Distributed synchronous SGD on Spark CPU clusters: an ordinary module, loss and DataFrame in, a fitted module out."""

from dlcore.data.fields import Field
from dlcore.data.vocabulary import Vocabulary
from dlcore.optim.clipping import ClipNorm, ClipValue
from dlcore.optim.lars import LARS
from dlcore.optim.schedules import Constant, Cosine, Exponential, Plateau, Poly, Schedule, Step, Warmup, scale_linearly
from dlcore.scoring.artifact import Artifact
from dlcore.scoring.fitted import Fitted
from dlcore.scoring.manifest import ArtifactError
from dlcore.scoring.outputs import Output
from dlcore.step.progress import Progress
from dlcore.storage.folder import Folder
from dlcore.training import Training

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
    "Output",
    "Plateau",
    "Poly",
    "Progress",
    "Schedule",
    "Step",
    "Training",
    "Vocabulary",
    "Warmup",
    "scale_linearly",
]
