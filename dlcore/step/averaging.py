"""Parameter averaging in place of synchronous SGD: each worker steps by itself, and every so many steps all take the mean of what they
have become (local SGD, arXiv:1805.09767; the averaging of Deeplearning4j on Spark).

Means are of changes since the workers last had one state, weighted by rows: what nobody has changed stays as it is, to the bit. Weights,
buffers and the optimizer's state are averaged, in its own groups too, so that after it the workers are one and any of them may commit.
"""

import json
import zlib
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from dlcore.parallel.collective import Collective, gathered
from dlcore.step.state import Since, Slice, Sums, capture, take

NUMBER = "number."
"""Before the names of numbers that an optimizer keeps as Python's."""


class Averaging:
    """One worker's part, from a state on that all have."""

    def __init__(self, model: nn.Module, optimizer: Optimizer) -> None:
        self._model, self._optimizer = model, optimizer
        self._buffers = {f"model.{name}" for name, _ in model.named_buffers()}
        fixed = {name for name, each in model.named_parameters(remove_duplicate=False) if not each.requires_grad}
        self._names = model.state_dict().keys() - fixed
        self._begin(self._state())

    def _begin(self, state: Mapping[str, Tensor]) -> None:
        self._before, self._taken, self._stop, self._seconds = state, Since(), False, 0.0

    def step(self, sums: Sums) -> None:
        """Count what this worker has taken by itself."""
        self._taken.add(sums.taken)
        self._stop, self._seconds = self._stop or sums.stop, sums.seconds

    def average(self, collective: Collective) -> Sums:
        """Become the mean of all workers, begin anew with it, and return what all have counted since they last did."""
        taken, state = self._taken, self._state()
        own = [taken.loss, taken.weight, taken.rows, taken.skipped]
        sums = torch.tensor([*own, self._stop, self._seconds, _unlike(state, collective)], dtype=torch.float64)
        collective.sum(sums)()
        loss, weight, rows, skipped, stops, seconds, unlike = sums.tolist()
        if collective.workers > 1:
            state = _completed(state, collective) if unlike else state
            parts = {name: taken.rows / max(rows, 1) for name in self._buffers}
            state = mean(self._before, state, collective, part=taken.weight / weight if weight else 0.0, parts=parts)
            take(_slice(state), self._model, self._optimizer)
        self._begin(state)
        whole = Since(loss=loss, weight=weight, rows=int(rows), skipped=int(skipped))
        return Sums(taken=whole, stop=stops > 0, seconds=seconds)

    def _state(self) -> dict[str, Tensor]:
        """A copy of all that steps change, by name; numbers as tensors."""
        found = capture(self._model, self._optimizer, self._names)
        kinds = {int: torch.int64, float: torch.float64}
        plain = [(name, each) for name, each in found.plain.items() if type(each) in kinds]
        return {
            **found.tensors,
            **{f"{NUMBER}{name}": torch.tensor(each, dtype=kinds[type(each)]) for name, each in plain},
        }


def _slice(state: Mapping[str, Tensor]) -> Slice:
    numbers = {name: each for name, each in state.items() if name.startswith(NUMBER)}
    plain = {name.removeprefix(NUMBER): each.item() for name, each in numbers.items()}
    return Slice(tensors={name: each for name, each in state.items() if name not in numbers}, plain=plain)


def _kinds(state: Mapping[str, Tensor]) -> bytes:
    """The names of a state, with shapes and types."""
    kinds = {name: [str(each.dtype).removeprefix("torch."), *each.shape] for name, each in state.items()}
    return json.dumps(kinds, sort_keys=True).encode()


def _unlike(state: Mapping[str, Tensor], collective: Collective) -> bool:
    """Whether this worker's state has other names than rank 0's."""
    own = torch.tensor([zlib.crc32(_kinds(state))])
    first = own.clone()
    collective.broadcast(first, source=0)()
    return not torch.equal(own, first)


def _completed(state: Mapping[str, Tensor], collective: Collective) -> dict[str, Tensor]:
    """The state with a zero for what only others have: an optimizer knows nothing yet of a parameter that it has not stepped."""
    ranks = [range(rank, rank + 1) for rank in range(collective.workers)]
    everyone = [json.loads(each) for each in gathered(collective, [_kinds(state)], ranks)]
    kinds = {name: kind for each in everyone for name, kind in each.items()}
    zeros = {n: torch.zeros(shape, dtype=getattr(torch, kind)) for n, (kind, *shape) in kinds.items()}
    return {**zeros, **state}


def mean(
    before: Mapping[str, Tensor],
    now: Mapping[str, Tensor],
    collective: Collective,
    *,
    part: float,
    parts: Mapping[str, float],
) -> dict[str, Tensor]:
    """``before`` and the sum of all workers' changes since, each times the worker's ``part``, or by name that of ``parts``.

    What was not there before was zero. Arrays of floats travel in single precision, single numbers and whole ones in double.
    """
    found = dict[str, Tensor]()
    for dtype in (torch.float32, torch.float64):
        names = [name for name in sorted(now) if _travels(now[name]) is dtype]
        starts = [before.get(name, torch.zeros_like(now[name])).to(dtype) for name in names]
        changes = [(now[n].to(dtype) - start) * parts.get(n, part) for n, start in zip(names, starts, strict=True)]
        sent = torch.cat([torch.empty(0, dtype=dtype), *(each.reshape(-1) for each in changes)])
        collective.sum(sent)()
        summed = torch.split(sent, [each.numel() for each in changes])
        for name, start, change in zip(names, starts, summed, strict=True):
            found[name] = _like(now[name], start + change.reshape(start.shape))
    return found


def _travels(tensor: Tensor) -> torch.dtype:
    single = tensor.ndim > 0 and tensor.is_floating_point() and tensor.dtype != torch.float64
    return torch.float32 if single else torch.float64


def _like(tensor: Tensor, value: Tensor) -> Tensor:
    return (value if tensor.is_floating_point() else value.round()).to(tensor.dtype)
