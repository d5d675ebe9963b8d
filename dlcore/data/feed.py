"""What a worker is fed at each step: its shares of the global batch, made ahead of time by threads where making it takes time."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.random import Generator

from dlcore.data.order import Indices, Order, part
from dlcore.data.rows import Gathered, Mapped, Rows
from dlcore.data.transform import Transform, transformed

STEPS_AHEAD = 2
"""Shares that are ready or being made beyond those that threads are at."""
ROW_STREAM = 1
"""Tells the random numbers of a row from those of the order, which are of seed, epoch and window."""
T = TypeVar("T")


@dataclass(frozen=True)
class Batch:
    """A share of a step, ``mine`` of the step's ``whole`` rows: what the model and what the loss gets."""

    inputs: Any
    targets: Any
    mine: int
    whole: int

    @property
    def part(self) -> float:
        """Of the step's rows."""
        return self.mine / self.whole if self.whole else 0.0

    def pieces(self, count: int, *, stand_in: bool = False) -> list["Batch"]:
        """The rows in ``count`` parts as even as can be, without those that are left none, or with a row in them that does not count."""
        if count == 1:
            return [self] if self.mine or stand_in else []
        parts = [part(self.mine, number, count) for number in range(count)]
        return [self._piece(rows) for rows in parts if stand_in or rows.stop > rows.start]

    def _piece(self, rows: slice) -> "Batch":
        taken = rows if rows.stop > rows.start else slice(0, 1)
        return Batch(_rows(self.inputs, taken), _rows(self.targets, taken), rows.stop - rows.start, self.whole)


@dataclass(frozen=True)
class Share:
    """The rows of a share: their numbers, how many of them count, of how many in the step, and what makes their random numbers."""

    rows: Indices
    mine: int
    whole: int
    chances: Callable[[], Callable[[int], Generator | None]]


Shares = Callable[[int], Share]


class Feed:
    """The function from a share's number to its batch, of which there are ``count``.

    Transforms run in ``loaders`` threads some shares ahead, or without any in the caller's own. Mapped rows that no loader gathers are
    gathered ahead by a thread that counts for none: it copies, and else waits for the disk.
    """

    def __init__(
        self, rows: Rows, shares: Shares, *, count: int, transform: Transform | None = None, loaders: int = 0
    ) -> None:
        self._rows, self._shares, self._transform = rows, shares, transform
        self._gathered, self._batch = self._gather, self._prepare
        self._ahead: Prefetch[Any] | None = None
        if transform is not None and loaders:
            self._ahead = self._batch = Prefetch(self._prepare, threads=loaders, count=count)
        elif isinstance(rows, Mapped):
            self._ahead = self._gathered = Prefetch(self._gather, threads=1, count=count)

    def __call__(self, number: int) -> Batch:
        return self._batch(number)

    def _gather(self, number: int) -> tuple[Share, Gathered]:
        share = self._shares(number)
        return share, self._rows.gather(share.rows)

    def _prepare(self, number: int) -> Batch:
        return _batch(self._rows, self._transform, *self._gathered(number))

    def close(self) -> None:
        """Let the threads end; what they have made is dropped."""
        if self._ahead is not None:
            self._ahead.close()


def fed(rows: Rows, shares: Sequence[Share], *, transform: Transform | None, loaders: int) -> Iterator[Batch]:
    """The batches of these ``shares``."""
    feed = Feed(rows, shares.__getitem__, count=len(shares), transform=transform, loaders=loaders)
    with closing(feed):
        yield from map(feed, range(len(shares)))


def training_shares(order: Order, *, held: range, shares: int, stand_in: bool = False) -> Shares:
    """The shares that a worker holds of the steps of a run, one after the other: those of a step, then those of the next.

    With ``stand_in`` a share without rows gets the step's first one, which does not count: so that it runs the model as the others do.
    """

    def share(number: int) -> Share:
        step, at = divmod(number, len(held))
        whole = order.at(step)
        epoch = order.place(step).epoch
        mine = whole[part(len(whole), held[at], shares)]
        rows = whole[:1] if stand_in and not len(mine) else mine
        return Share(rows, len(mine), len(whole), partial(RowChances, order.seed, epoch))

    return share


def validation_shares(count: int, *, batch: int, share: int, shares: int) -> list[Share]:
    """A share of the validation rows, in pieces of at most ``batch`` rows."""
    mine = np.arange(count)[part(count, share, shares)]
    pieces = np.array_split(mine, -(-len(mine) // batch)) if len(mine) else []
    return [Share(piece, len(piece), len(piece), lambda: lambda _: None) for piece in pieces]


class RowChances:
    """The random numbers of a row as a function of seed, epoch and row: one generator, at another place of its stream for each row.

    Philox is a function of a counter (Salmon et al. 2011), so that a place costs a microsecond, where a new generator costs twenty.
    """

    def __init__(self, seed: int, epoch: int) -> None:
        self._bits = np.random.Philox(np.random.SeedSequence([seed, epoch, ROW_STREAM]))
        self._generator, self._state = Generator(self._bits), self._bits.state

    def __call__(self, row: int) -> Generator:
        """The generator, which is this row's until the next is asked for; 2 to the 128 draws lie between two rows."""
        self._state["state"]["counter"][:] = 0, 0, row, 0
        self._bits.state = self._state
        return self._generator


def _batch(rows: Rows, transform: Transform | None, share: Share, gathered: Gathered) -> Batch:
    pair: tuple[Any, Any] = rows.layout.pair(gathered)
    if transform is not None and len(share.rows):
        pair = transformed(transform, rows.layout, gathered, map(share.chances(), share.rows.tolist()))
    return Batch(*pair, share.mine, share.whole)


def _rows(tensors: Any, rows: slice) -> Any:
    return {name: each[rows] for name, each in tensors.items()} if isinstance(tensors, dict) else tensors[rows]


class Prefetch(Generic[T]):
    """Makes the things of the next numbers in threads while the current one is used."""

    def __init__(self, make: Callable[[int], T], *, threads: int, count: int) -> None:
        self._make, self._count, self._reach = make, count, threads + STEPS_AHEAD
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="dlcore-loader")
        self._coming: dict[int, Future[T]] = {}

    def __call__(self, number: int) -> T:
        self._coming = {at: thing for at, thing in self._coming.items() if at >= number}
        for at in range(number, min(number + self._reach, self._count)):
            if at not in self._coming:
                self._coming[at] = self._pool.submit(self._make, at)
        return self._coming.pop(number).result()

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
