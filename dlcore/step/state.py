"""The state that a group takes and gives: figures that all workers share, and tensors in slices, one a worker.

Rates, data order and random numbers are functions of the figures and the seed, so those stand for them all.
"""

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from dlcore.data.order import Place
from dlcore.step.triggers import Moment, Validation


@dataclass(kw_only=True)
class Since:
    """What has been summed since the last record, the loss with the weight it is to be divided by; the waits are those of ``Progress``."""

    loss: float = 0.0
    weight: float = 0.0
    rows: int = 0
    skipped: int = 0
    seconds: float = 0.0
    scheduling_s: float = 0.0
    synchronisation_s: float = 0.0
    commits_s: float = 0.0
    data_s: float = 0.0

    def add(self, taken: "Since") -> None:
        """Count what steps have taken beside."""
        self.loss += taken.loss
        self.weight += taken.weight
        self.rows += taken.rows
        self.skipped += taken.skipped


@dataclass(frozen=True, kw_only=True)
class Sums:
    """What workers have ``taken`` together, whether one of them asks for a ``stop``, and the run's time as rank 0 has measured it."""

    taken: Since
    stop: bool
    seconds: float


class Pause:
    """The time between two groups: the training thread is held up by the commit, and for the rest by scheduling."""

    def __init__(self) -> None:
        self.seconds, self.held_s = 0.0, 0.0
        self._began: float | None = None

    def begin(self) -> None:
        self._began, self.held_s = time.perf_counter(), 0.0

    def end(self, since: Since) -> None:
        """Add the pause to what ``since`` counts; the time before the first group is no pause."""
        if self._began is not None:
            self.seconds = time.perf_counter() - self._began
            since.commits_s += self.held_s
            since.scheduling_s += self.seconds - self.held_s


@dataclass(frozen=True, kw_only=True)
class Figures:
    """All of a state but its tensors: where it stands, how many records were made, what each validation found, and the ``seconds`` that
    steps and validations took, as triggers know them.
    """

    place: Place = field(default_factory=Place)
    records: int = 0
    validations: tuple[Validation, ...] = ()
    seconds: float = 0.0
    since: Since = field(default_factory=Since)

    @property
    def step(self) -> int:
        return self.place.step

    @property
    def moment(self) -> Moment:
        return Moment(place=self.place, validations=self.validations, seconds=self.seconds)

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Figures":
        """Back from the JSON of ``asdict``."""
        return cls(
            place=Place(**content["place"]),
            records=content["records"],
            validations=tuple(Validation(**each) for each in content["validations"]),
            seconds=content["seconds"],
            since=Since(**content["since"]),
        )


@dataclass(frozen=True, kw_only=True)
class Slice:
    """A part of a state: ``tensors`` holds ``model.NAME``, ``optimizer.NAME.KEY`` and ``group.NUMBER.KEY``.

    ``plain`` holds those of an optimizer's values that are no tensors: numbers, truth values and texts, and lists of them.
    """

    tensors: Mapping[str, Tensor]
    plain: Mapping[str, Any]

    def to_bytes(self) -> bytes:
        return safetensors.torch.save(dict(self.tensors))

    @classmethod
    def from_bytes(cls, content: bytes, plain: Mapping[str, Any]) -> "Slice":
        return cls(tensors=safetensors.torch.load(content), plain=plain)


def capture(model: nn.Module, optimizer: Optimizer, names: Collection[str], *, groups: bool = True) -> Slice:
    """Copy weights and buffers with these names, and the optimizer's entries of them, out of a live model and optimizer.

    With ``groups``, what the optimizer keeps in its parameter groups goes with them: it is the same on every worker.
    """
    entries = _entries(model, optimizer, names) | (_groups(optimizer) if groups else {})
    weights = {f"model.{name}": tensor for name, tensor in model.state_dict().items() if name in names}
    tensors = weights | {name: value for name, value in entries.items() if isinstance(value, Tensor)}
    copies = {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}
    return Slice(tensors=copies, plain={name: value for name, value in entries.items() if name not in tensors})


def _entries(model: nn.Module, optimizer: Optimizer, names: Collection[str]) -> dict[str, Any]:
    """What the optimizer keeps of each parameter, by ``optimizer.NAME.KEY``."""
    found = {
        f"optimizer.{name}.{key}": value
        for name, parameter in model.named_parameters()
        if name in names
        for key, value in optimizer.state.get(parameter, {}).items()
        if value is not None
    }
    for name, value in found.items():
        if not isinstance(value, Tensor | bool | int | float):
            raise ValueError(f"an optimizer's state must be tensors and numbers to be saved, got {name}={value!r}")
    return found


def _groups(optimizer: Optimizer) -> dict[str, Any]:
    """What it keeps in its parameter groups, by ``group.NUMBER.KEY``; not objects and functions, which it is made with."""
    return {
        f"group.{number}.{key}": value
        for number, group in enumerate(optimizer.param_groups)
        for key, value in group.items()
        if key not in GIVEN and (isinstance(value, Tensor) or _is_plain(value))
    }


GIVEN = ("params", "param_names", "lr")
"""What of a group no state is: its parameters, and the rate, which the schedule gives anew at each step."""


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def restore(model: nn.Module, optimizer: Optimizer | None, slices: Iterable[Slice]) -> None:
    """Copy slices, which come one after the other to spare memory, into a live model and a new optimizer."""
    missing = set(model.state_dict())
    for part in slices:
        missing -= take(part, model, optimizer)
    if missing:
        raise ValueError(f"a state must hold every weight of the model, {sorted(missing)} are missing")


def take(part: Slice, model: nn.Module, optimizer: Optimizer | None) -> set[str]:
    """Copy a slice into a live model and optimizer, and return the names of its weights."""
    weights = {name.removeprefix("model."): t for name, t in part.tensors.items() if name.startswith("model.")}
    model.load_state_dict(weights, strict=False)
    if optimizer is not None:
        _restore_entries(model, optimizer, {**part.tensors, **part.plain})
        _restore_groups(optimizer, {**part.tensors, **part.plain})
    return {*weights}


def _restore_entries(model: nn.Module, optimizer: Optimizer, entries: Mapping[str, Any]) -> None:
    """Take the entries of those parameters that are the optimizer's own."""
    held = {parameter for group in optimizer.param_groups for parameter in group["params"]}
    mine = {name: parameter for name, parameter in model.named_parameters() if parameter in held}
    for name, value in entries.items():
        kind, _, rest = name.partition(".")
        parameter_name, _, key = rest.rpartition(".")
        if kind == "optimizer" and parameter_name in mine:
            optimizer.state[mine[parameter_name]][key] = _like(mine[parameter_name], value)


def _restore_groups(optimizer: Optimizer, entries: Mapping[str, Any]) -> None:
    for name, value in entries.items():
        kind, _, rest = name.partition(".")
        if kind == "group":
            number, _, key = rest.partition(".")
            group = optimizer.param_groups[int(number)]
            made_tuple = isinstance(group.get(key), tuple)  # JSON knows lists alone
            group[key] = value.clone() if isinstance(value, Tensor) else tuple(value) if made_tuple else value


def _like(parameter: Tensor, value: Any) -> Any:
    """A copy of an optimizer's entry, in its own type and its parameter's memory format: fused optimizers walk both side by side."""
    if not isinstance(value, Tensor):
        return value
    alike = value.shape == parameter.shape
    return torch.empty_like(parameter, dtype=value.dtype).copy_(value) if alike else value.clone()
