"""What a metric is: it makes a state of each batch, joins states, and makes its figure of the state of all rows.

A state is a few tensors by name, so it travels between workers and from Spark's tasks without pickle. A state that does not depend on
the order of joining (counts, exact sums, a list that is sorted at the end) gives the same figure, bit for bit, for the same predictions.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor

State: TypeAlias = Mapping[str, Tensor]


class Metric(Protocol):
    """``name`` is what its figure is called in records; ``higher_is_better`` says which way publishing compares."""

    @property
    def name(self) -> str: ...

    @property
    def higher_is_better(self) -> bool: ...

    def update(self, prediction: Any, target: Any) -> State:
        """The state of a batch of at least one row, of what the loss gets of it."""
        ...

    def merge(self, states: Sequence[State]) -> State:
        """The state of the rows of all ``states``, of which there is at least one."""
        ...

    def result(self, state: State) -> float | Mapping[str, float]:
        """The figure; or several by name, that of ``name`` among them."""
        ...


def summed(states: Sequence[State]) -> State:
    """Counts and sums of all states."""
    return {name: torch.stack([state[name] for state in states]).sum(0) for name in states[0]}


def joined(states: Sequence[State]) -> State:
    """Lists of all states, one after the other."""
    return {name: torch.cat([state[name] for state in states]) for name in states[0]}


def one_of(given: Any, name: str | None) -> Tensor:
    """The only output or target, or that of a name; a TypeError where it is no tensor."""
    found = given if name is None else given[name]
    if not isinstance(found, Tensor):
        raise TypeError(f"this metric takes one output and one target; say of= which, got {type(found).__name__}")
    return found


def one_a_row(prediction: Any, target: Any, name: str | None) -> tuple[Tensor, Tensor]:
    """The outputs and targets of rows, where there is one number a row; a ValueError where their counts differ."""
    outputs, targets = one_of(prediction, name).reshape(-1), one_of(target, name).reshape(-1)
    if len(outputs) != len(targets):
        raise ValueError(f"this metric takes one output and one target a row, got {len(outputs)} for {len(targets)}")
    return outputs, targets
