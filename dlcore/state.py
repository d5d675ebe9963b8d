"""The state that a group takes and gives: weights, optimizer, step, and the sums since the last record.

Rates, data order and random numbers are functions of the step and the seed, so the step stands for them all.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.optim import Optimizer


@dataclass(kw_only=True)
class Since:
    """What has been summed since the last record; the waits are those of ``Progress``."""

    loss: float = 0.0
    rows: int = 0
    seconds: float = 0.0
    scheduling_s: float = 0.0
    synchronisation_s: float = 0.0
    commits_s: float = 0.0
    data_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class State:
    """``tensors`` holds ``model.NAME`` and ``optimizer.INDEX.KEY``; ``numbers`` the optimizer's entries that are plain numbers."""

    step: int
    tensors: Mapping[str, Tensor]
    numbers: Mapping[str, float]
    since: Since

    def to_bytes(self) -> bytes:
        return safetensors.torch.save(dict(self.tensors))

    def figures(self) -> dict[str, Any]:
        """All but the tensors, as JSON values."""
        return {"step": self.step, "numbers": dict(self.numbers), "since": asdict(self.since)}

    @classmethod
    def from_bytes(cls, content: bytes, figures: Mapping[str, Any]) -> "State":
        return cls(
            step=figures["step"],
            tensors=safetensors.torch.load(content),
            numbers=figures["numbers"],
            since=Since(**figures["since"]),
        )


def capture(model: nn.Module, optimizer: Optimizer, *, step: int, since: Since) -> State:
    """Copy the state out of a live model and optimizer."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    numbers: dict[str, float] = {}
    for index, entries in optimizer.state_dict()["state"].items():
        for key, value in entries.items():
            name = f"optimizer.{index}.{key}"
            if isinstance(value, Tensor):
                tensors[name] = value
            elif isinstance(value, int | float):
                numbers[name] = value
            elif value is not None:
                raise ValueError(f"an optimizer's state must be tensors and numbers to be saved, got {name}={value!r}")
    copies = {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}
    return State(step=step, tensors=copies, numbers=numbers, since=replace(since))


def restore(model: nn.Module, optimizer: Optimizer, state: State) -> None:
    """Copy ``state`` into a live model and optimizer, in place."""
    weights = {name.removeprefix("model."): t for name, t in state.tensors.items() if name.startswith("model.")}
    model.load_state_dict(weights)
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    entries: dict[int, dict[str, Any]] = {}
    everything: dict[str, Tensor | float] = {**state.tensors, **state.numbers}
    for name, value in everything.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".", 2)
            entries.setdefault(int(index), {})[key] = _like(parameters[int(index)], value)
    optimizer.load_state_dict({"state": entries, "param_groups": optimizer.state_dict()["param_groups"]})


def _like(parameter: Tensor, value: Tensor | float) -> Tensor | float:
    """A copy of an optimizer's entry in its parameter's memory format: fused optimizers walk both side by side."""
    if not isinstance(value, Tensor):
        return value
    return torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value.clone()
