"""The weights of a model whose optimizer state is sharded: each rank steps its own, then all get them (ZeRO-1, arXiv:1910.02054).

The weights of a rank lie side by side in flat buffers, of which each parameter is a view, so one message a rank carries them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from dlcore.collective import Collective
from dlcore.flat import flat


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
