"""The parameters of a model: who owns which, how many tensors lie in one flat buffer, and how their owners share them.

An owner writes its parameters' part of a commit and, if optimizer state is sharded, steps them (ZeRO-1, arXiv:1910.02054). Ownership is by
whole parameters, so that any optimizer that works parameter by parameter works; a function of sizes and the number of workers.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from dlcore.parallel.collective import Collective


def owners(sizes: Sequence[int], workers: int) -> tuple[int, ...]:
    """The owner of each item: the largest first, each to the worker that has least, the lowest rank among equals."""
    if workers < 1:
        raise ValueError(f"there must be at least one owner, got {workers=}")
    loads, found = [0] * workers, [0] * len(sizes)
    for item in sorted(range(len(sizes)), key=lambda item: (-sizes[item], item)):
        found[item] = loads.index(min(loads))
        loads[found[item]] += sizes[item]
    return tuple(found)


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def split_parameters(model: nn.Module, *, workers: int) -> list[dict[str, nn.Parameter]]:
    """The trainable parameters of each rank."""
    parameters = trainable(model)
    owner = owners([parameter.numel() for parameter in parameters.values()], workers)
    ranked = list(zip(parameters.items(), owner, strict=True))
    return [dict(item for item, mine in ranked if mine == rank) for rank in range(workers)]


def slice_names(model: nn.Module, owned: Sequence[Mapping[str, nn.Parameter]], rank: int) -> set[str]:
    """What of a model's state is in the slice of ``rank``: its parameters, and with the first rank's all that nobody owns."""
    others = {name for other, parameters in enumerate(owned) if other != rank for name in parameters}
    return set(model.state_dict()) - others if rank == 0 else set(owned[rank])


def keep_parameters(optimizer: Optimizer, mine: Collection[nn.Parameter]) -> None:
    """Leave ``mine`` alone to a new optimizer, in the groups that it has on every rank."""
    held = {*mine}
    for group in optimizer.param_groups:
        places = [place for place, parameter in enumerate(group["params"]) if parameter in held]
        for key in {"params", "param_names"} & group.keys():
            group[key] = [group[key][place] for place in places]
    for parameter in {*optimizer.state} - held:
        del optimizer.state[parameter]


ALIGNMENT = 16
"""Elements: views start on 64-byte lines, so that vector code takes the same path in every process."""


def flat(like: Sequence[Tensor], *, slots: int = 0) -> tuple[Tensor, list[Tensor]]:
    """A buffer of zeros with ``slots`` further elements at its end, and a view of it for each tensor, in that one's memory format."""
    starts = list(_starts(like))
    buffer = torch.zeros(starts[-1] + slots, dtype=like[0].dtype if like else torch.float32)
    return buffer, [_view(buffer, start, tensor) for start, tensor in zip(starts, like, strict=False)]


def _starts(tensors: Sequence[Tensor]) -> Iterator[int]:
    start = 0
    for tensor in tensors:
        yield start
        start += -(-tensor.numel() // ALIGNMENT) * ALIGNMENT
    yield start


def _view(buffer: Tensor, start: int, like: Tensor) -> Tensor:
    """A view with the strides of ``like``: an optimizer walks both in the same order, and a convolution takes it for the same format."""
    return buffer[start : start + like.numel()].as_strided(like.shape, like.stride())


class Weights:
    """``owned`` are the parameters of each rank; of none, as where every rank steps all, there is nothing to share."""

    def __init__(self, owned: Sequence[Mapping[str, nn.Parameter]]) -> None:
        self._flats = [(rank, each) for rank, parameters in enumerate(owned) for each in _laid(parameters.values())]

    def share(self, collective: Collective) -> None:
        """Give every rank the weights as their owners have them."""
        for wait in [collective.broadcast(each, source=rank) for rank, each in self._flats]:
            wait()


@torch.no_grad()
def _laid(parameters: Iterable[nn.Parameter]) -> Iterator[Tensor]:
    """Move parameters into one flat buffer for each element type."""
    everything = list(parameters)
    for dtype in dict.fromkeys(parameter.dtype for parameter in everything):
        same = [parameter for parameter in everything if parameter.dtype == dtype]
        buffer, views = flat(same)
        for parameter, view in zip(same, views, strict=True):
            parameter.data = view.copy_(parameter)
        yield buffer
