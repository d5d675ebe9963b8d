"""Distributed synchronous SGD on Spark CPU clusters: an ordinary module, loss and DataFrame in, a fitted module out."""

from dlcore.data.fields import Field
from dlcore.data.vocabulary import Vocabulary
from dlcore.optim.clipping import ClipNorm, ClipValue
from dlcore.optim.decays import (
    Cosine,
    Exponential,
    InverseTime,
    MultiStep,
    NaturalExponential,
    OneCycle,
    Plateau,
    Poly,
    Step,
)
from dlcore.optim.groups import ByName, decay_only_matrices
from dlcore.optim.lamb import LAMB
from dlcore.optim.lars import LARS
from dlcore.optim.penalties import L1, L2, ByLayer
from dlcore.optim.schedules import (
    Constant,
    Epochs,
    Schedule,
    SequentialSchedule,
    Warmup,
    scale_by_root,
    scale_linearly,
)
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
    "L1",
    "L2",
    "LAMB",
    "LARS",
    "Accuracy",
    "Artifact",
    "ArtifactError",
    "AveragePrecision",
    "ByLayer",
    "ByName",
    "ClipNorm",
    "ClipValue",
    "Constant",
    "Cosine",
    "Epochs",
    "Exponential",
    "Field",
    "Fitted",
    "Folder",
    "InverseTime",
    "MeanLoss",
    "Metric",
    "MultiStep",
    "NaturalExponential",
    "OneCycle",
    "Output",
    "Plateau",
    "Poly",
    "Progress",
    "QuantisationRefused",
    "Schedule",
    "SequentialSchedule",
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
    "scale_by_root",
    "scale_linearly",
    "summed",
]
