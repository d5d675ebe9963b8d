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
from dlcore.step.method import TrainingStep
from dlcore.step.metrics import Accuracy, AveragePrecision, MeanLoss, Metric, joined, summed
from dlcore.step.progress import Progress
from dlcore.storage.folder import Folder
from dlcore.training import Training

__all__ = [
    "LARS",
    "Accuracy",
    "Artifact",
    "ArtifactError",
    "AveragePrecision",
    "ClipNorm",
    "ClipValue",
    "Constant",
    "Cosine",
    "Exponential",
    "Field",
    "Fitted",
    "Folder",
    "MeanLoss",
    "Metric",
    "Output",
    "Plateau",
    "Poly",
    "Progress",
    "Schedule",
    "Step",
    "Training",
    "TrainingStep",
    "Vocabulary",
    "Warmup",
    "joined",
    "scale_linearly",
    "summed",
]
