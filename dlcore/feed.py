"""What a worker is fed at each step: its share of the global batch, gathered ahead of time when gathering takes time."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from torch import Tensor

from dlcore.order import Order, share
from dlcore.shards import Mapped, Rows

AHEAD = 3


@dataclass(frozen=True)
class Meal:
    """A worker's share of a step: ``mine`` of the step's ``whole`` rows."""

    inputs: Tensor
    targets: Tensor
    mine: int
    whole: int


Feed = Callable[[int], Meal]


def feed(rows: Rows, order: Order, *, rank: int, workers: int) -> Feed:
    """The function from a step to the worker's share; data in files is gathered by a thread some steps ahead."""

    def gather(step: int) -> Meal:
        whole = order.at(step)
        mine = whole[share(len(whole), rank, workers)]
        return Meal(*rows.gather(mine), len(mine), len(whole))

    return Ahead(gather) if isinstance(rows, Mapped) else gather


class Ahead:
    """Gathers the next steps while the current one is computed. One loader thread: it copies, and copying needs no more."""

    def __init__(self, gather: Feed) -> None:
        self._gather = gather
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="dlcore-loader")
        self._coming: dict[int, Future[Meal]] = {}

    def __call__(self, step: int) -> Meal:
        self._coming = {at: meal for at, meal in self._coming.items() if at >= step}
        for at in range(step, step + AHEAD):
            if at not in self._coming:
                self._coming[at] = self._pool.submit(self._gather, at)
        return self._coming.pop(step).result()
