"""The sum over all shares of what each gives: by all-reduce, where each worker has one share, or in the one tree over shares.

A sum by all-reduce has the order that gloo gives it with so many workers; a sum in the tree is the same, bit for bit, on any number.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Protocol

import torch
from torch import Tensor

from dlcore.data.order import part
from dlcore.parallel.collective import SMALL_BYTES, Collective, Wait
from dlcore.parallel.tree import Parts, holdings, subtrees, total


class Reduction(Protocol):
    """``holdings`` are the shares of each rank, ``held`` this one's, of so many ``shares``."""

    @property
    def collective(self) -> Collective: ...

    @property
    def shares(self) -> int: ...

    @property
    def holdings(self) -> Sequence[range]: ...

    @property
    def held(self) -> range: ...

    def sum(self, parts: Parts, into: Tensor) -> Wait:
        """Begin to sum ``parts``, which ``put`` has made of this worker's shares, with those of all others.

        ``into`` has the sum once the returned call has waited. It may be one of the parts, which are used up.
        """
        ...

    def close(self) -> None: ...


def reduction_of(collective: Collective, *, shares: int | None) -> Reduction:
    """In the tree over so many ``shares``; without a number, each worker has one."""
    return AllReduce(collective) if shares is None else TreeReduce(collective, shares=shares)


class AllReduce:
    """Each worker has one share."""

    def __init__(self, collective: Collective) -> None:
        self.collective, self.shares = collective, collective.workers
        self.holdings = holdings(self.shares, workers=self.shares)
        self.held = self.holdings[collective.rank]

    def sum(self, parts: Parts, into: Tensor) -> Wait:
        [own] = parts.values()
        if own is not into:
            into.copy_(own)
        return self.collective.sum(into)

    def close(self) -> None:
        return None


class TreeReduce:
    """A worker has one share or more, and sends the sums of the subtrees that it holds.

    Few bytes go whole to all others, and each worker adds up the tree: one message's time. Of more, each worker adds up a slice, of
    which it gets the parts from all and gives the sum to all: the bytes of one all-reduce, by a thread beside backward.
    """

    def __init__(self, collective: Collective, *, shares: int) -> None:
        self.collective, self.shares = collective, shares
        self.holdings = holdings(shares, workers=collective.workers)
        self.held = self.holdings[collective.rank]
        self._nodes = [subtrees(held, shares=shares) for held in self.holdings]
        self._others = [rank for rank in range(collective.workers) if rank != collective.rank]
        self._tags = count(step=2)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="dlcore-reduction")

    def sum(self, parts: Parts, into: Tensor) -> Wait:
        if (sum(map(len, self._nodes)) - 1) * into.nbytes <= SMALL_BYTES:  # the same on every rank
            return self._whole(parts, into)
        summed = self._thread.submit(self._sliced, parts, into, next(self._tags))
        return lambda: summed.result()

    def _whole(self, parts: Parts, into: Tensor) -> Wait:
        received = self._room(into)
        sent = self._joined(parts, slice(None))
        wait = self.collective.swap(dict.fromkeys(self._others, sent), received)

        def finish() -> None:
            wait()
            into.copy_(self._total(parts, received))

        return finish

    def _sliced(self, parts: Parts, into: Tensor, tag: int) -> None:
        cuts = [part(len(into), rank, self.collective.workers) for rank in range(self.collective.workers)]
        mine = into[cuts[self.collective.rank]]
        received = self._room(mine)
        self.collective.exchange({rank: self._joined(parts, cuts[rank]) for rank in self._others}, received, tag=tag)()
        ours = {node: each[cuts[self.collective.rank]] for node, each in parts.items()}
        mine.copy_(self._total(ours, received))
        sums = {rank: into[cuts[rank]] for rank in self._others}
        self.collective.exchange(dict.fromkeys(self._others, mine), sums, tag=tag + 1)()

    def _room(self, like: Tensor) -> dict[int, Tensor]:
        """Room for the parts of each other rank, one after the other."""
        return {rank: like.new_empty((len(self._nodes[rank]), len(like))) for rank in self._others}

    def _joined(self, parts: Parts, cut: slice) -> Tensor:
        cuts = [parts[node][cut] for node in self._nodes[self.collective.rank]]
        return cuts[0] if len(cuts) == 1 else torch.cat(cuts)

    def _total(self, ours: Parts, received: Mapping[int, Tensor]) -> Tensor:
        theirs = {
            node: each for rank, rows in received.items() for node, each in zip(self._nodes[rank], rows, strict=True)
        }
        return total({**ours, **theirs}, shares=self.shares)

    def close(self) -> None:
        """Let the thread end; what is under way is given up."""
        self._thread.shutdown(wait=False, cancel_futures=True)
