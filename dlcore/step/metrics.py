"""Metrics: figures of predictions on held-out rows that are exact however the rows are shared out.

A metric makes a state of each batch, joins states, and makes its figure of the state of all rows. A state is a few tensors by name, so
it travels between workers and from Spark's tasks without pickle. A state that does not depend on the order of joining (counts, a list
that is sorted at the end) gives the same figure, bit for bit, for the same predictions.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import safetensors.torch
import torch
from torch import Tensor

from dlcore.parallel.collective import gathered
from dlcore.parallel.reduction import Reduction
from dlcore.step.losses import Loss, found, recognised
from dlcore.step.method import in_float32

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


@dataclass(frozen=True, kw_only=True)
class MeanLoss:
    """A loss as a metric: a mean over rows, or sums divided by their weights. The order of summation is that of the batches."""

    loss: Loss
    name: str = "loss"
    higher_is_better: bool = field(default=False, init=False)

    def update(self, prediction: Any, target: Any) -> State:
        loss = recognised(self.loss)
        this = found(lambda: loss(prediction, target), rows=_rows(target))
        return {"sum": _number(this.total), "weight": _number(this.counted)}

    def merge(self, states: Sequence[State]) -> State:
        return summed(states)

    def result(self, state: State) -> float:
        return float(state["sum"] / state["weight"])


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """The part of the rows whose class is predicted: of several classes the one of the highest output, of two the positive one where the
    only output is above ``threshold`` (zero for logits, 0.5 for probabilities).

    ``of`` names the output and the target, where there are several. Rows of the class ``ignore_index`` do not count.
    """

    of: str | None = None
    threshold: float = 0.0
    ignore_index: int = -100
    name: str = "accuracy"
    higher_is_better: bool = field(default=True, init=False)

    def update(self, prediction: Any, target: Any) -> State:
        output, classes = _of(prediction, self.of), _of(target, self.of)
        found = output > self.threshold if output.numel() == classes.numel() else output.argmax(1)
        counts = classes.reshape(found.shape) != self.ignore_index
        right = (classes.reshape(found.shape) == found) & counts
        return {"right": right.sum(), "counted": counts.sum()}

    def merge(self, states: Sequence[State]) -> State:
        return summed(states)

    def result(self, state: State) -> float:
        return int(state["right"]) / max(1, int(state["counted"]))


@dataclass(frozen=True, kw_only=True)
class AveragePrecision:
    """The area under precision over recall, as steps, of scores of two classes, as scikit-learn has it; zero without positives.

    ``of`` names the output and the target, where there are several. The state holds each row's score and class.
    """

    of: str | None = None
    name: str = "average_precision"
    higher_is_better: bool = field(default=True, init=False)

    def update(self, prediction: Any, target: Any) -> State:
        scores, positive = _of(prediction, self.of).reshape(-1), _of(target, self.of).reshape(-1) > 0
        if len(scores) != len(positive):
            raise ValueError(f"{self.name} takes one score a row, got {len(scores)} for {len(positive)} rows")
        return {"scores": in_float32(scores), "positive": positive}

    def merge(self, states: Sequence[State]) -> State:
        return joined(states)

    def result(self, state: State) -> float:
        scores, order = state["scores"].sort(descending=True)
        hits = state["positive"][order].cumsum(0)
        last = torch.cat([scores[1:] != scores[:-1], torch.ones(1, dtype=torch.bool)])  # of each distinct score
        found, rows = hits[last].double(), torch.arange(1, len(scores) + 1)[last]
        gained = torch.diff(found, prepend=torch.zeros(1, dtype=torch.float64))
        return float((gained * found / rows).sum() / max(1, int(hits[-1])))


class Tally:
    """The states of metrics over batches. States of neighbours are merged once both are of as many batches, so that lists are copied
    a few times in all, and not once a batch."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics
        self._runs: list[tuple[int, list[State]]] = []

    def add(self, prediction: Any, target: Any) -> None:
        """Count a batch."""
        self._push(1, [metric.update(prediction, target) for metric in self._metrics])

    def _push(self, batches: int, states: list[State]) -> None:
        while self._runs and self._runs[-1][0] <= batches:
            before, earlier = self._runs.pop()
            batches, states = batches + before, self._merged([earlier, states])
        self._runs.append((batches, states))

    def _merged(self, several: Sequence[Sequence[State]]) -> list[State]:
        return [metric.merge(states) for metric, states in zip(self._metrics, zip(*several, strict=True), strict=True)]

    def to_bytes(self) -> bytes:
        """The state of all that was added, as a safetensors file; empty if nothing was."""
        if not self._runs:
            return b""
        states = self._merged([states for _, states in self._runs])
        return safetensors.torch.save(
            {
                f"{number}.{name}": tensor.detach().clone(memory_format=torch.contiguous_format)
                for number, state in enumerate(states)
                for name, tensor in state.items()
            }
        )

    def add_bytes(self, content: bytes) -> None:
        """Count what another tally has counted."""
        states: list[dict[str, Tensor]] = [{} for _ in self._metrics]
        for key, tensor in (safetensors.torch.load(content) if content else {}).items():
            number, _, name = key.partition(".")
            states[int(number)][name] = tensor
        if content:
            self._push(1, list(states))

    def results(self) -> dict[str, float]:
        """The figures of all that was added."""
        if not self._runs:
            raise ValueError("metrics need rows, got none")
        states = self._merged([states for _, states in self._runs])
        return dict(_figures(zip(self._metrics, states, strict=True)))


def results_of_all(metrics: Sequence[Metric], tallies: Sequence[Tally], reduction: Reduction) -> dict[str, float]:
    """The figures of all shares, of which ``tallies`` have counted this worker's; the same on each."""
    everyone = Tally(metrics)
    for content in gathered(reduction.collective, [tally.to_bytes() for tally in tallies], reduction.holdings):
        everyone.add_bytes(content)
    return everyone.results()


def _figures(states: Iterable[tuple[Metric, State]]) -> Iterable[tuple[str, float]]:
    for metric, state in states:
        result = metric.result(state)
        several = result if isinstance(result, Mapping) else {metric.name: result}
        if metric.name not in several:
            raise ValueError(f"a metric's result must have a figure of its name {metric.name!r}, got {sorted(several)}")
        yield from ((name, float(figure)) for name, figure in several.items())


def refuse_unnamed(metrics: Sequence[Metric]) -> None:
    """A ValueError where two metrics have one name."""
    names = [metric.name for metric in metrics]
    if len(set(names)) < len(names):
        raise ValueError(f"metrics must have names of their own, got {names}")


def _of(given: Any, name: str | None) -> Tensor:
    found = given if name is None else given[name]
    if not isinstance(found, Tensor):
        raise TypeError(f"this metric takes one output and one target; say of= which, got {type(found).__name__}")
    return found


def _rows(target: Any) -> int:
    return len(next(iter(target.values())) if isinstance(target, Mapping) else target)


def _number(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)
