"""Optimizers whose options depend on a parameter's name and shape, as where biases and norms take no weight decay."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.optim import Optimizer

Options = Callable[[str, nn.Parameter], Mapping[str, Any]]


@dataclass(frozen=True)
class ByName:
    """Makes ``optimizer`` with named parameters, in a group for each set of ``options`` that names and parameters are given.

    >>> Training(optimizer=ByName(partial(AdamW, weight_decay=0.05), decay_only_matrices), ...)
    """

    optimizer: Callable[..., Optimizer]
    options: Options

    def __call__(self, named: Iterable[tuple[str, nn.Parameter]], *, lr: float) -> Optimizer:
        groups: dict[str, dict[str, Any]] = {}
        for name, parameter in named:
            options = self.options(name, parameter)
            group = groups.setdefault(repr(sorted(options.items())), {"params": [], **options})
            group["params"].append((name, parameter))
        return self.optimizer([*groups.values()], lr=lr)


def decay_only_matrices(name: str, parameter: nn.Parameter) -> Mapping[str, Any]:
    """No weight decay for vectors: biases, and the weights of normalisations (arXiv:1812.01187)."""
    return {} if parameter.ndim > 1 else {"weight_decay": 0.0}
