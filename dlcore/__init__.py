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
from dlcore.run.journal import LostRun
from dlcore.run.start import Start
from dlcore.scoring.artifact import Artifact
from dlcore.scoring.exporting import add_ir, import_model
from dlcore.scoring.fitted import Fitted
from dlcore.scoring.outputs import Output
from dlcore.scoring.quantizing import QuantisationRefused, quantize
from dlcore.step.method import TrainingStep
from dlcore.step.metrics import Accuracy, AveragePrecision, MeanLoss, Metric, joined, summed
from dlcore.step.progress import Progress
from dlcore.storage.folder import Folder
from dlcore.storage.manifest import ArtifactError
from dlcore.training import Training

__all__ = [
    "LARS",
    "Accuracy",
    "Artifact",
    "ArtifactError",
    "AveragePrecision",
    "ByName",
    "ClipNorm",
    "ClipValue",
    "Constant",
    "Cosine",
    "Exponential",
    "Field",
    "Fitted",
    "Folder",
    "LostRun",
    "MeanLoss",
    "Metric",
    "OneCycle",
    "Output",
    "Plateau",
    "Poly",
    "Progress",
    "QuantisationRefused",
    "Schedule",
    "Start",
    "Step",
    "Training",
    "TrainingStep",
    "Vocabulary",
    "Warmup",
    "add_ir",
    "decay_only_matrices",
    "import_model",
    "joined",
    "quantize",
    "scale_linearly",
    "summed",
]
