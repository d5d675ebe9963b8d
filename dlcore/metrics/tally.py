"""The states of several metrics over batches, as they are counted by one worker and joined of all."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from dlcore.metrics.metric import Metric, State
from dlcore.parallel.collective import gathered
from dlcore.parallel.reduction import Reduction


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
