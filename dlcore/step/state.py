"""The state that a group takes and gives: figures that all workers share, and tensors in slices, one a worker.

Rates, data order and random numbers are functions of the figures and the seed, so those stand for them all.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from dlcore.data.order import Place


@dataclass(kw_only=True)
class Since:
    """What has been summed since the last record, the loss with the weight it is to be divided by; the waits are those of ``Progress``."""

    loss: float = 0.0
    weight: float = 0.0
    rows: int = 0
    seconds: float = 0.0
    scheduling_s: float = 0.0
    synchronisation_s: float = 0.0
    commits_s: float = 0.0
    data_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Figures:
    """All of a state but its tensors: where it stands, how many records were made, and the validation loss of each epoch."""

    place: Place = field(default_factory=Place)
    records: int = 0
    validations: tuple[float, ...] = ()
    since: Since = field(default_factory=Since)

    @property
    def step(self) -> int:
        return self.place.step

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Figures":
        """Back from the JSON of ``asdict``."""
        return cls(
            place=Place(**content["place"]),
            records=content["records"],
            validations=tuple(content["validations"]),
            since=Since(**content["since"]),
        )


@dataclass(frozen=True, kw_only=True)
class Slice:
    """A part of a state: ``tensors`` holds ``model.NAME`` and ``optimizer.NAME.KEY``; ``numbers`` an optimizer's plain numbers."""

    tensors: Mapping[str, Tensor]
    numbers: Mapping[str, float]

    def to_bytes(self) -> bytes:
        return safetensors.torch.save(dict(self.tensors))

    @classmethod
    def from_bytes(cls, content: bytes, numbers: Mapping[str, float]) -> "Slice":
        return cls(tensors=safetensors.torch.load(content), numbers=numbers)


def capture(model: nn.Module, optimizer: Optimizer, names: Collection[str]) -> Slice:
    """Copy weights and buffers with these names, and the optimizer's entries of them, out of a live model and optimizer."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items() if name in names}
    numbers: dict[str, float] = {}
    for parameter_name, parameter in model.named_parameters():
        entries = optimizer.state.get(parameter, {}) if parameter_name in names else {}
        for key, value in entries.items():
            name = f"optimizer.{parameter_name}.{key}"
            if isinstance(value, Tensor):
                tensors[name] = value
            elif isinstance(value, int | float):
                numbers[name] = value
            elif value is not None:
                raise ValueError(f"an optimizer's state must be tensors and numbers to be saved, got {name}={value!r}")
    copies = {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}
    return Slice(tensors=copies, numbers=numbers)


def restore(model: nn.Module, optimizer: Optimizer | None, slices: Iterable[Slice]) -> None:
    """Copy slices, which come one after the other to spare memory, into a live model and a new optimizer."""
    missing = set(model.state_dict())
    for part in slices:
        weights = {name.removeprefix("model."): t for name, t in part.tensors.items() if name.startswith("model.")}
        model.load_state_dict(weights, strict=False)
        missing -= weights.keys()
        if optimizer is not None:
            _restore_entries(model, optimizer, {**part.tensors, **part.numbers})
    if missing:
        raise ValueError(f"a state must hold every weight of the model, {sorted(missing)} are missing")


def _restore_entries(model: nn.Module, optimizer: Optimizer, entries: Mapping[str, Tensor | float]) -> None:
    """Take the entries of those parameters that are the optimizer's own."""
    held = {parameter for group in optimizer.param_groups for parameter in group["params"]}
    mine = {name: parameter for name, parameter in model.named_parameters() if parameter in held}
    for name, value in entries.items():
        kind, _, rest = name.partition(".")
        parameter_name, _, key = rest.rpartition(".")
        if kind == "optimizer" and parameter_name in mine:
            optimizer.state[mine[parameter_name]][key] = _like(mine[parameter_name], value)


def _like(parameter: Tensor, value: Tensor | float) -> Tensor | float:
    """A copy of an optimizer's entry in its parameter's memory format: fused optimizers walk both side by side."""
    if not isinstance(value, Tensor):
        return value
    return torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value.clone()
