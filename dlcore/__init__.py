"""Distributed synchronous SGD on Spark CPU clusters: an ordinary module, loss and DataFrame in, a fitted module out."""

from dlcore.data.fields import Field
from dlcore.data.vocabulary import Vocabulary
from dlcore.optim.clipping import ClipNorm, ClipValue
from dlcore.optim.groups import ByName, decay_only_matrices
from dlcore.optim.lars import LARS
from dlcore.optim.schedules import (
    Constant,
    Cosine,
    Exponential,
    OneCycle,
    Plateau,
    Poly,
    Schedule,
    Step,
    Warmup,
    scale_linearly,
)
from dlcore.run.start import Start
from dlcore.scoring.artifact import Artifact, ArtifactError
from dlcore.scoring.prediction import predict
from dlcore.step.progress import Progress
from dlcore.storage.folder import Folder
from dlcore.training import Fitted, Training

__all__ = [
    "LARS",
    "Artifact",
    "ArtifactError",
    "ByName",
    "ClipNorm",
    "ClipValue",
    "Constant",
    "Cosine",
    "Exponential",
    "Field",
    "Fitted",
    "Folder",
    "OneCycle",
    "Plateau",
    "Poly",
    "Progress",
    "Schedule",
    "Start",
    "Step",
    "Training",
    "Vocabulary",
    "Warmup",
    "decay_only_matrices",
    "predict",
    "scale_linearly",
]
