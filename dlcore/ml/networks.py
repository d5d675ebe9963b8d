"""Estimators that train a network on a column of vectors, and the models that they make, as Spark ML has them.

>>> network = NetworkClassifier(training, rate=0.1, width=64, workers=4)
>>> Pipeline(stages=[VectorAssembler(inputCols=columns, outputCol="features"), network]).fit(df).transform(df)
"""

import uuid
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pyspark.ml import Estimator, Model
from pyspark.ml.functions import array_to_vector, vector_to_array
from pyspark.ml.param.shared import HasProbabilityCol, HasRawPredictionCol
from pyspark.ml.util import MLReadable, MLWritable
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from torch import Tensor, nn

from dlcore.ml.params import HasTraining, MakeTraining
from dlcore.ml.persistence import NetworkReader, NetworkWriter
from dlcore.scoring.fitted import Fitted
from dlcore.scoring.outputs import Output
from dlcore.scoring.prediction import Prediction

FEATURES, ERROR = "__features", "__error"


class _Estimator(Estimator[Any], HasTraining, MLWritable, MLReadable[Any]):
    """Trains ``training(**hyperparameters)`` on the vectors of ``featuresCol``. Params are given by their names.

    Rows that ``validationIndicatorCol`` marks are the validation rows of the training.
    """

    target: ClassVar[str]
    model: ClassVar[type["_Model"]]

    def __init__(self, training: MakeTraining, /, **given: Any) -> None:
        super().__init__()
        known = {param.name for param in self.params}
        columns = {name: each for name, each in given.items() if name in known}
        self._take(training, {name: each for name, each in given.items() if name not in known}, columns)

    def _fit(self, dataset: DataFrame) -> "_Model":
        rows, held_out = self._split(dataset)
        folder = f"{self.getOrDefault('folder')}/{self.uid}-{uuid.uuid4().hex[:8]}" if self.isSet("folder") else None
        fitted = self.made().fit(
            rows,
            features="features",
            label="label",
            workers=self.getOrDefault("workers"),
            validation=held_out,
            folder=folder,
        )
        found: _Model = self._copyValues(self.model(self.training, **self.values()))
        found.module, found.fitted = fitted.module, fitted
        return found

    def _split(self, dataset: DataFrame) -> tuple[DataFrame, DataFrame | None]:
        """Rows to train on and to judge by, as the network takes them."""
        features = vector_to_array(F.col(self.getFeaturesCol()), "float32").alias("features")
        label = F.col(self.getLabelCol()).cast(self.target).alias("label")
        if not self.isSet("validationIndicatorCol"):
            return dataset.select(features, label), None
        held_out = F.col(self.getValidationIndicatorCol())
        return dataset.filter(~held_out).select(features, label), dataset.filter(held_out).select(features, label)

    def write(self) -> NetworkWriter:
        return NetworkWriter(self)

    @classmethod
    def read(cls) -> NetworkReader:
        return NetworkReader(cls)


class _Model(Model, HasTraining, MLWritable, MLReadable[Any]):
    """A network that was trained. A row that it cannot score ends the job with the reason."""

    module: nn.Module
    fitted: Fitted | None = None

    def __init__(self, training: MakeTraining, /, **hyperparameters: Any) -> None:
        super().__init__()
        self._take(training, hyperparameters, {})

    def _transform(self, dataset: DataFrame) -> DataFrame:
        made = self.made()
        prediction = Prediction(
            module=self.module,
            features=FEATURES,
            outputs={name: Output("array<double>", each) for name, each in self._outputs().items()},
            transform=made.transform,
            error=ERROR,
        )
        vectors = vector_to_array(F.col(self.getFeaturesCol()), "float32")
        scored = prediction(dataset.withColumn(FEATURES, vectors))
        columns = {name: each for name, each in self._columns().items() if name}
        return scored.withColumns(columns).drop(FEATURES, ERROR, *self._outputs())

    def _outputs(self) -> Mapping[str, Any]:
        """What is made of a prediction, under names of its own."""
        raise NotImplementedError

    def _columns(self) -> Mapping[str, Column]:
        """The columns of the result, by their names; one without a name is left out."""
        raise NotImplementedError

    def write(self) -> NetworkWriter:
        return NetworkWriter(self, self.module)

    @classmethod
    def read(cls) -> NetworkReader:
        return NetworkReader(cls)


def _sound(column: str) -> Column:
    """A column of scored rows; one that was not scored raises its reason."""
    return F.when(F.col(ERROR).isNull(), F.col(column)).otherwise(F.raise_error(F.col(ERROR)))


def raw(prediction: Tensor) -> Tensor:
    """Outputs of n rows as scores of classes [n, classes]: one output is that of the second of two."""
    scores = prediction.reshape(len(prediction), -1)
    return torch.cat([-scores, scores], dim=1) if scores.shape[1] == 1 else scores


def probabilities(prediction: Tensor) -> Tensor:
    """Of one output, a logit, by the logistic function; of several by softmax: [n, classes]."""
    scores = prediction.reshape(len(prediction), -1)
    if scores.shape[1] == 1:
        second = torch.sigmoid(scores)
        return torch.cat([1 - second, second], dim=1)
    return torch.softmax(scores, dim=1)


class NetworkClassificationModel(_Model, HasRawPredictionCol, HasProbabilityCol):
    """Adds a vector of scores, one of probabilities, and the class of the highest of these, a double."""

    def _outputs(self) -> Mapping[str, Any]:
        return {"__raw": raw, "__probabilities": probabilities}

    def _columns(self) -> Mapping[str, Column]:
        found = _sound("__probabilities")
        return {
            self.getRawPredictionCol(): array_to_vector(_sound("__raw")),
            self.getProbabilityCol(): array_to_vector(found),
            self.getPredictionCol(): (F.array_position(found, F.array_max(found)) - 1).cast("double"),
        }


class NetworkClassifier(_Estimator, HasRawPredictionCol, HasProbabilityCol):
    """Of classes from zero: a network of one output, the logit of the second of two, or of a logit a class."""

    target, model = "bigint", NetworkClassificationModel


class NetworkRegressionModel(_Model):
    """Adds the network's output, a double."""

    def _outputs(self) -> Mapping[str, Any]:
        return {"__number": lambda prediction: prediction.reshape(len(prediction), -1)}

    def _columns(self) -> Mapping[str, Column]:
        return {self.getPredictionCol(): F.element_at(_sound("__number"), 1)}


class NetworkRegressor(_Estimator):
    """Of a number: a network of one output."""

    target, model = "double", NetworkRegressionModel
