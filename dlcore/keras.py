"""Keras 3 models as modules that dlcore trains, by Keras's backend for torch; an extra, imported by those alone who use it.

Take Keras from here (``from dlcore.keras import keras``), or set ``KERAS_BACKEND=torch``: it chooses its backend as it is imported.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dlcore.parallel.normalisation import RunningStatistics


def _require_torch(backend: str) -> None:
    if backend != "torch":
        raise ImportError(
            f"dlcore trains Keras models by Keras's backend for torch, got {backend!r}; set KERAS_BACKEND=torch, or take it "
            "by from dlcore.keras import keras"
        )


_require_torch(os.environ.setdefault("KERAS_BACKEND", "torch"))
import keras  # noqa: E402 - which reads it

_require_torch(keras.backend.backend())

__all__ = ["KerasModule", "KerasNetwork", "keras", "regularisers"]

STATISTICS = ("moving_mean", "moving_variance")


@dataclass(frozen=True)
class KerasNetwork:
    """Makes a module of the Keras model that ``build`` makes: Sequential, functional or a subclass, with its weights made.

    >>> Training(model=KerasNetwork(build), penalty=regularisers, ...)
    """

    build: Callable[[], Any]

    def __call__(self) -> "KerasModule":
        return KerasModule(self)


class KerasModule(nn.Module):
    """The ``model`` that a network builds, its weights named by their paths; it is in training mode where the module is.

    The session is cleared before it is built, so that names are the same in each process. Its random layers draw from torch's random
    numbers. torch does not see the model itself, whose layers are modules that have the weights several times.
    """

    __slots__ = ("model",)
    model: Any
    traceable = False

    def __init__(self, network: KerasNetwork) -> None:
        super().__init__()
        keras.utils.clear_session()
        self.network, self.keras_version = network, keras.version()
        object.__setattr__(self, "model", network.build())
        _refuse_unnamed(self.model)
        self.statistics = RunningStatistics()
        for weight in self.model.weights:
            if weight.name in STATISTICS:
                self.statistics.register_buffer(weight.path, weight.value)
            else:
                self.register_parameter(weight.path, weight.value)

    def forward(self, inputs: Any = None, **named: Any) -> Any:
        if self.training:
            self._seed()
        prediction = self.model(named or inputs, training=self.training)
        if self.training and len(self.model.losses) > len(_regularised(self.model)):
            raise ValueError(
                "add_loss and activity regularisers give losses of rows, which dlcore does not see; make them part of the prediction and "
                "of Training.loss"
            )
        return prediction

    def _seed(self) -> None:
        """Draw the seeds of random layers anew: they are a function of the step and the share then, and no state to commit."""
        for variable in self.model.variables:
            if variable.name == "seed_generator_state":
                variable.assign([int(torch.randint(2**31 - 1, ())), 0])

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.network, dict(self.state_dict()), self.training)


def _restored(network: KerasNetwork, weights: dict[str, Tensor], training: bool) -> KerasModule:
    module = network()
    module.load_state_dict(weights)
    return module.train(training)


def _refuse_unnamed(model: Any) -> None:
    if not model.built or not model.weights:
        raise ValueError(
            f"{type(model).__name__} has no weights yet; begin it with keras.Input(shape), or call it with one once "
            "it is made"
        )
    paths = [weight.path for weight in model.weights]
    if twice := sorted({path for path in paths if paths.count(path) > 1}):
        raise ValueError(f"a Keras model's layers must have names of their own, got several weights called {twice}")


def regularisers(module: nn.Module) -> Tensor:
    """The sum of what the regularisers of a Keras model's weights give, for ``Training(penalty=)``."""
    models = [each.model for each in module.modules() if isinstance(each, KerasModule)]
    weights = [weight for model in models for weight in _regularised(model)]
    if not weights:
        raise ValueError(
            "penalty=regularisers needs a Keras model that regularises weights, got one without; leave it out"
        )
    return torch.stack([weight.regularizer(weight) for weight in weights]).sum()


def _regularised(model: Any) -> list[Any]:
    return [weight for weight in model.trainable_weights if weight.regularizer is not None]
