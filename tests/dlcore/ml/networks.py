"""Trainings of hyperparameters, in a module, so that they can be saved by their names."""

from functools import partial

from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss
from torch.optim import SGD

from dlcore import Constant, Training


def network(width: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(30, width), nn.Tanh(), nn.Linear(width, outputs))


def binary(rate: float, width: int = 8, epochs: int = 4) -> Training:
    return Training(
        model=partial(network, width, 1),
        loss=binary_cross_entropy_with_logits,
        optimizer=partial(SGD, momentum=0.9),
        schedule=Constant(lr=rate),
        batch=64,
        epochs=epochs,
        seed=3,
    )


def classes(rate: float) -> Training:
    return Training(
        model=partial(network, 8, 2),
        loss=cross_entropy,
        optimizer=SGD,
        schedule=Constant(lr=rate),
        batch=64,
        epochs=3,
    )


def number(rate: float) -> Training:
    return Training(
        model=partial(network, 8, 1), loss=mse_loss, optimizer=SGD, schedule=Constant(lr=rate), batch=64, epochs=3
    )
