"""The sum over all shares of what each gives, in the one tree over shares: the same bits on any number of workers."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count

import torch
from torch import Tensor

from dlcore.data.order import part
from dlcore.parallel.collective import SMALL_BYTES, Collective, Wait
from dlcore.parallel.tree import Parts, holdings, subtrees, total

Exchange = Callable[[Mapping[int, Tensor], Mapping[int, Tensor]], Wait]


class Reduction:
    """A worker has one share or more, and sends the sums of the subtrees that it holds; without a number of ``shares``, each has one.

    ``holdings`` are the shares of each rank, ``held`` this one's. Few bytes go whole to all others, and each worker adds up the tree:
    one message's time. Of more, each worker adds up a slice, of which it gets the parts from all and gives the sum to all: the bytes of
    an all-reduce, by a thread beside backward.
    """

    def __init__(self, collective: Collective, *, shares: int | None = None) -> None:
        self.collective, self.shares = collective, shares or collective.workers
        self.holdings = holdings(self.shares, workers=collective.workers)
        self.held = self.holdings[collective.rank]
        self._nodes = [subtrees(held, shares=self.shares) for held in self.holdings]
        self._others = [rank for rank in range(collective.workers) if rank != collective.rank]
        self._tags = count(step=2)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="dlcore-reduction")

    def sum(self, parts: Parts, into: Tensor) -> Wait:
        """Begin to sum ``parts``, which ``put`` has made of this worker's shares, with those of all others.

        ``into`` has the sum once the returned call has waited. It may be one of the parts, which are used up.
        """
        if self._small(into):
            return self._summed(parts, into, [slice(None)] * self.collective.workers, self.collective.swap)
        return self._thread.submit(self._sliced, parts, into, next(self._tags)).result

    def scatter(self, parts: Parts, into: Tensor, owned: Sequence[slice]) -> Wait:
        """Begin to sum, as ``sum`` does, of each rank's ``owned`` slice for that rank alone, and for all what lies behind them.

        These are half the bytes of ``sum``.
        """
        rest = slice(owned[-1].stop, None)
        waits = [
            self.sum({node: each[rest] for node, each in parts.items()}, into[rest]),
            self._owned(parts, into, owned),
        ]

        def wait() -> None:
            for each in waits:
                each()

        return wait

    def _owned(self, parts: Parts, into: Tensor, owned: Sequence[slice]) -> Wait:
        if self._small(into):
            return self._summed(parts, into, owned, self.collective.swap)
        exchange = partial(self.collective.exchange, tag=next(self._tags))
        return self._thread.submit(lambda: self._summed(parts, into, owned, exchange)()).result

    def _small(self, into: Tensor) -> bool:
        """The same on every rank."""
        return (sum(map(len, self._nodes)) - 1) * into.nbytes <= SMALL_BYTES

    def _sliced(self, parts: Parts, into: Tensor, tag: int) -> None:
        slices = [part(len(into), rank, self.collective.workers) for rank in range(self.collective.workers)]
        self._summed(parts, into, slices, partial(self.collective.exchange, tag=tag))()
        mine, sums = into[slices[self.collective.rank]], {rank: into[slices[rank]] for rank in self._others}
        self.collective.exchange(dict.fromkeys(self._others, mine), sums, tag=tag + 1)()

    def _summed(self, parts: Parts, into: Tensor, cuts: Sequence[slice], exchange: Exchange) -> Wait:
        """Begin to sum at each rank its cut of the parts of all."""
        cut = cuts[self.collective.rank]
        mine = into[cut]
        received = {rank: into.new_empty((len(self._nodes[rank]), len(mine))) for rank in self._others}
        wait = exchange({rank: self._joined(parts, cuts[rank]) for rank in self._others}, received)

        def finish() -> None:
            wait()
            theirs = {node: each for rank, rows in received.items() for node, each in self._by_node(rank, rows)}
            ours = {node: each[cut] for node, each in parts.items()}
            found = total({**ours, **theirs}, shares=self.shares)
            if found.data_ptr() != mine.data_ptr():  # else it was added up in its place
                mine.copy_(found)

        return finish

    def _joined(self, parts: Parts, cut: slice) -> Tensor:
        """What goes to one rank: its cut of each subtree that this one holds, one after the other."""
        cuts = [parts[node][cut] for node in self._nodes[self.collective.rank]]
        return cuts[0] if len(cuts) == 1 else torch.cat(cuts)

    def _by_node(self, rank: int, rows: Tensor) -> Sequence[tuple[range, Tensor]]:
        return list(zip(self._nodes[rank], rows, strict=True))

    def close(self) -> None:
        """Let the thread end; what is under way is given up."""
        self._thread.shutdown(wait=False, cancel_futures=True)
