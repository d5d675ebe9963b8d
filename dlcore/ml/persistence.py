"""How estimators and models are saved: Spark ML's own metadata, and of a model its weights beside it."""

from typing import Any

import safetensors.torch
from pyspark.ml.util import DefaultParamsReader, DefaultParamsWriter, MLReader, MLWriter
from torch import nn

from dlcore.ml.params import HasTraining, function_of, name_of
from dlcore.scoring.artifact import WEIGHTS, packed
from dlcore.storage.folder import Folder

NETWORK = "network"


class NetworkWriter(MLWriter):
    """Writes the metadata of an estimator or model, with the name of its training function, and the weights of ``module``."""

    def __init__(self, instance: HasTraining, module: nn.Module | None = None) -> None:
        super().__init__()
        self._instance, self._module = instance, module

    def saveImpl(self, path: str) -> None:
        of = self._instance
        said = {"training": name_of(of.training), "hyperparameters": list(of.hyperparameters)}
        DefaultParamsWriter.saveMetadata(of, path, self.sparkSession, extraMetadata=said)
        if self._module is not None:
            (Folder.of(path) / NETWORK).write(WEIGHTS, packed(self._module.state_dict()))


class NetworkReader(MLReader[Any]):
    """Reads an estimator or model of a class back."""

    def __init__(self, cls: Any) -> None:
        super().__init__()
        self._cls = cls

    def load(self, path: str) -> Any:
        metadata = DefaultParamsReader.loadMetadata(path, self.sparkSession)
        training, defaults = function_of(metadata["training"]), metadata["defaultParamMap"]
        hyperparameters = {name: defaults[name] for name in metadata["hyperparameters"]}
        instance: Any = self._cls(training, **hyperparameters)
        instance._resetUid(metadata["uid"])
        DefaultParamsReader.getAndSetParams(instance, metadata)
        if (Folder.of(path) / NETWORK).exists(WEIGHTS):
            module = instance.made().build()
            module.load_state_dict(safetensors.torch.load((Folder.of(path) / NETWORK).read(WEIGHTS)))
            instance.module = module.eval()
        return instance
