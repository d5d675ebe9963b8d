"""Distributed synchronous SGD on Spark CPU clusters: an ordinary module, loss and DataFrame in, a fitted module out."""

from dlcore.data.fields import Field
from dlcore.data.vocabulary import Vocabulary
from dlcore.metrics.classification import F1, Accuracy, ConfusionMatrix, Precision, Recall, TopAccuracy
from dlcore.metrics.metric import Metric, joined, summed
from dlcore.metrics.ranking import NDCG, AveragePrecision, HitRatio, RocAuc
from dlcore.metrics.regression import R2, MeanAbsoluteError, RootMeanSquaredError
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
from dlcore.run.journal import LostRun
from dlcore.run.start import Start
from dlcore.run.stopping import Stop
from dlcore.scoring.artifact import Artifact
from dlcore.scoring.exporting import add_ir, import_model
from dlcore.scoring.fitted import Fitted
from dlcore.scoring.outputs import Output
from dlcore.scoring.quantizing import QuantisationRefused, quantize
from dlcore.step.losses import LossByName, MeanLoss
from dlcore.step.method import TrainingStep, name_outputs
from dlcore.step.progress import Progress
from dlcore.step.triggers import (
    Above,
    AfterSeconds,
    AllOf,
    AnyOf,
    AtMaximum,
    AtMinimum,
    Below,
    EarlyStopping,
    EveryEpochs,
    EverySteps,
    Moment,
    Trigger,
    Validation,
)
from dlcore.storage.folder import Folder
from dlcore.storage.manifest import ArtifactError
from dlcore.tracking.bar import ProgressBar
from dlcore.tracking.callbacks import Callback, Run
from dlcore.tracking.mlflow import MLflow
from dlcore.tracking.tensorboard import TensorBoard, read_scalars
from dlcore.training import Training

__all__ = [
    "F1",
    "L1",
    "L2",
    "LAMB",
    "LARS",
    "NDCG",
    "R2",
    "Above",
    "Accuracy",
    "AfterSeconds",
    "AllOf",
    "AnyOf",
    "Artifact",
    "ArtifactError",
    "AtMaximum",
    "AtMinimum",
    "AveragePrecision",
    "Below",
    "ByLayer",
    "ByName",
    "Callback",
    "ClipNorm",
    "ClipValue",
    "ConfusionMatrix",
    "Constant",
    "Cosine",
    "EarlyStopping",
    "Epochs",
    "EveryEpochs",
    "EverySteps",
    "Exponential",
    "Field",
    "Fitted",
    "Folder",
    "HitRatio",
    "InverseTime",
    "LossByName",
    "LostRun",
    "MLflow",
    "MeanAbsoluteError",
    "MeanLoss",
    "Metric",
    "Moment",
    "MultiStep",
    "NaturalExponential",
    "OneCycle",
    "Output",
    "Plateau",
    "Poly",
    "Precision",
    "Progress",
    "ProgressBar",
    "QuantisationRefused",
    "Recall",
    "RocAuc",
    "RootMeanSquaredError",
    "Run",
    "Schedule",
    "SequentialSchedule",
    "Start",
    "Step",
    "Stop",
    "TensorBoard",
    "TopAccuracy",
    "Training",
    "TrainingStep",
    "Trigger",
    "Validation",
    "Vocabulary",
    "Warmup",
    "add_ir",
    "decay_only_matrices",
    "import_model",
    "joined",
    "name_outputs",
    "quantize",
    "read_scalars",
    "scale_by_root",
    "scale_linearly",
    "summed",
]
