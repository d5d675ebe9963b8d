"""Which worker owns which parameters: it writes their part of a commit and, if optimizer state is sharded, steps them.

By whole parameters, so that any optimizer that works parameter by parameter works; a function of sizes and the number of workers.
"""

from collections.abc import Mapping, Sequence

from torch import nn


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
