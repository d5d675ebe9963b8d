"""Which rows a worker sees at a step: pure functions of integers, testable without a cluster.

The rows of a step depend on seed, epoch and step alone, never on the number of workers, so that N workers
see together what one would see, and a resumed or resized run goes on in mid-epoch without losing or repeating a row.
"""

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
BLOCKS_A_WINDOW = 64


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a run stands: after ``step`` steps, with the first ``row`` rows of the zero-based ``epoch`` taken."""

    step: int = 0
    epoch: int = 0
    row: int = 0


@dataclass(frozen=True, kw_only=True)
class Order:
    """The shuffled order of ``rows`` rows in batches of ``batch`` from ``start`` on, each row exactly once an epoch.

    The order of an epoch's rows does not depend on batch and start, so a run may change its batch anywhere and still take each row once.
    Data that memory holds is one ``window`` and shuffled as a whole. Of larger data, blocks of neighbouring rows are shuffled, and
    then the rows of each window of blocks among themselves, so that a stretch of steps reads a few stretches of the files.
    """

    rows: int
    batch: int
    seed: int
    window: int = 2**62
    start: Place = field(default_factory=Place)

    def __post_init__(self) -> None:
        if min(self.rows, self.batch, self.window) < 1 or self.seed < 0:
            raise ValueError(
                "an order needs at least one row, a batch and a window of at least one and a seed of zero or more, got "
                f"rows={self.rows}, batch={self.batch}, window={self.window}, seed={self.seed}"
            )

    @property
    def steps(self) -> int:
        """Steps of a whole epoch; the last one takes the rows that are left."""
        return -(-self.rows // self.batch)

    def place(self, step: int) -> Place:
        """Where a run stands after ``step`` steps."""
        taken, rest = step - self.start.step, -(-(self.rows - self.start.row) // self.batch)
        if taken < rest:
            return Place(step=step, epoch=self.start.epoch, row=self.start.row + taken * self.batch)
        epochs, within = divmod(taken - rest, self.steps)
        return Place(step=step, epoch=self.start.epoch + 1 + epochs, row=within * self.batch)

    def end(self, epochs: int) -> int:
        """The number of steps after which ``epochs`` epochs are done."""
        rest = -(-(self.rows - self.start.row) // self.batch)
        return self.start.step + rest + (epochs - self.start.epoch - 1) * self.steps

    def step_at(self, place: Place) -> int:
        """How many whole steps a run in batches of this size needs to come to ``place``."""
        return place.epoch * self.steps + place.row // self.batch

    def at(self, step: int) -> Indices:
        """Row numbers of the global batch at a step of the whole run."""
        place = self.place(step)
        epoch, start, end = place.epoch, place.row, min(place.row + self.batch, self.rows)
        windows = layout(self.rows, self.window, self.seed, epoch)
        first, last = (int(np.searchsorted(windows.ends, row, side="right")) for row in (start, end - 1))
        within = [(number, windows.start(number)) for number in range(first, last + 1)]
        return np.concatenate([shuffled(windows, n)[max(start - at, 0) : end - at] for n, at in within])


@dataclass(frozen=True, eq=False)
class Windows:
    """An epoch's windows: the blocks of each as first row and end, and where each window ends in the epoch's order."""

    blocks: tuple[NDArray[np.int64], ...]
    ends: NDArray[np.int64]
    seed: int
    epoch: int

    def start(self, number: int) -> int:
        return int(self.ends[number - 1]) if number else 0


@lru_cache(maxsize=2)
def layout(rows: int, window: int, seed: int, epoch: int) -> Windows:
    """Shuffle blocks of rows and deal them to windows, as a function of the arguments."""
    size = max(1, min(window, rows) // BLOCKS_A_WINDOW)
    starts = np.arange(0, rows, size)
    if window < rows:
        starts = np.random.default_rng([seed, epoch]).permutation(starts)
    blocks = np.stack([starts, np.minimum(starts + size, rows)], axis=1)
    count = len(blocks) if window >= rows else BLOCKS_A_WINDOW
    dealt = tuple(blocks[at : at + count] for at in range(0, len(blocks), count))
    ends = np.cumsum([int((each[:, 1] - each[:, 0]).sum()) for each in dealt])
    return Windows(dealt, ends, seed, epoch)


@lru_cache(maxsize=3)
def shuffled(windows: Windows, number: int) -> Indices:
    """The rows of one window in their order."""
    rows = np.concatenate([np.arange(first, end) for first, end in windows.blocks[number]])
    return np.random.default_rng([windows.seed, windows.epoch, number]).permutation(rows)


def part(length: int, rank: int, workers: int) -> slice:
    """The contiguous part of ``length`` items that falls to ``rank``; parts differ by at most one, the first are longest."""
    if not 0 <= rank < workers:
        raise ValueError(f"rank must be in 0..{workers - 1}, got {rank}")
    size, longer = divmod(length, workers)
    start = rank * size + min(rank, longer)
    return slice(start, start + size + (rank < longer))
