"""What estimators and models have in common: a function that makes a training of hyperparameters, and these as params of Spark ML."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.param.shared import HasFeaturesCol, HasLabelCol, HasPredictionCol, HasValidationIndicatorCol

from dlcore.training import Training

MakeTraining = Callable[..., Training]


class HasTraining(HasFeaturesCol, HasLabelCol, HasPredictionCol, HasValidationIndicatorCol):
    """``training`` is called with the hyperparameters by name, each of which is a param, so that a grid can vary it.

    The other params are the ``workers`` of a training, and the ``folder`` below which each has its own; on a local master it needs none.
    """

    workers: Param[int] = Param(Params._dummy(), "workers", "barrier tasks that train", TypeConverters.toInt)
    folder: Param[str] = Param(Params._dummy(), "folder", "where trainings have their data", TypeConverters.toString)
    training: MakeTraining
    hyperparameters: tuple[str, ...]

    def _take(self, training: MakeTraining, hyperparameters: Mapping[str, Any], columns: Mapping[str, Any]) -> None:
        """Keep the function, and make a param of each hyperparameter, whose default is as given."""
        self.training, self.hyperparameters = training, tuple(hyperparameters)
        for name in hyperparameters:
            if hasattr(type(self), name):
                raise ValueError(f"a hyperparameter must have a name that no param or method has, got {name!r}")
            setattr(self, name, Param(self, name, f"hyperparameter {name}"))
        self._params = None  # which Spark ML has looked up before
        self._setDefault(**hyperparameters, workers=1)
        self._set(**columns)

    def made(self) -> Training:
        """The training of the hyperparameters as they are set."""
        return self.training(**self.values())

    def values(self) -> dict[str, Any]:
        return {name: self.getOrDefault(name) for name in self.hyperparameters}


def name_of(function: MakeTraining) -> str:
    """A function by module and name, under which another process finds it; a ValueError for one that none would."""
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "<unnamed>")
    if module in (None, "__main__") or "<" in name:
        raise ValueError(
            f"to be saved, training must be a function of a module, got {module}.{name}; define it in a file"
        )
    return f"{module}:{name}"


def function_of(name: str) -> MakeTraining:
    """Back from its name: as Spark ML finds its classes, and no safer than that, so read only what you trust."""
    module, _, path = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    function: MakeTraining = found
    return function
