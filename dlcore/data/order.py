"""Which rows a worker sees at a step: pure functions of integers, testable without a cluster.

The rows of a step depend on seed, epoch and step alone, never on the number of workers, so that N workers
see together what one would see, and a resumed or resized run goes on in mid-epoch without losing or repeating a row.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Indices = NDArray[np.int64]
BLOCKS_A_WINDOW = 64
BUCKET_ROWS = 2**16
"""Rows that are shuffled at once: a core's own cache holds their numbers, and the rows themselves where they are of a few numbers."""
RUN = 8
"""Rows side by side that come to one bucket, so that what is fetched from memory with one of them serves others."""
BUCKET_STREAM = 2
"""Tells the random numbers of a bucket from those of a window and of a row (``feed.ROW_STREAM``)."""


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
    Data that memory holds is one ``window``. Of larger data, blocks of neighbouring rows are shuffled and dealt to windows, so that a
    stretch of steps reads a few stretches of the files. A window of up to ``BUCKET_ROWS`` rows is shuffled as a whole. Of a larger
    one, runs of ``RUN`` neighbouring rows are dealt at random to buckets of about that size, and the rows of each are shuffled.
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
        windows = layout(self.rows, self.window, self.seed, place.epoch)
        within = _overlapped(windows.ends, place.row, min(place.row + self.batch, self.rows))
        found = [rows for number, *reach in within for rows in _of_window(windows, number, *reach)]
        return found[0] if len(found) == 1 else np.concatenate(found)


@dataclass(frozen=True, eq=False)
class Windows:
    """An epoch's windows: the blocks of each as first row and end, and where each window ends in the epoch's order."""

    blocks: tuple[NDArray[np.int64], ...]
    ends: list[int]
    seed: int
    epoch: int

    def rows(self, number: int) -> int:
        return self.ends[number] - (self.ends[number - 1] if number else 0)

    def at(self, number: int, places: Indices) -> Indices:
        """The rows at these places of a window that is not shuffled yet."""
        if len(self.blocks) == 1:
            return places
        starts, sizes = self.blocks[number][:, 0], np.diff(self.blocks[number])[:, 0]
        ends = np.cumsum(sizes)
        shifts: Indices = starts - (ends - sizes)
        return places + shifts[np.searchsorted(ends, places, side="right")]


@dataclass(frozen=True, eq=False)
class Buckets:
    """What a window's rows were dealt to: the runs of each bucket by number, and where its rows end in the window's order."""

    runs: tuple[Indices, ...]
    ends: list[int]
    windows: Windows
    window: int

    def rows(self, number: int) -> Indices:
        places = (self.runs[number][:, None] * RUN + np.arange(RUN)).ravel()
        return self.windows.at(self.window, places[places < self.windows.rows(self.window)])

    def random(self, number: int) -> Generator:
        seed = [self.windows.seed, self.windows.epoch, self.window]
        return np.random.default_rng(seed if len(self.runs) == 1 else [*seed, BUCKET_STREAM, number])


@lru_cache(maxsize=2)
def layout(rows: int, window: int, seed: int, epoch: int) -> Windows:
    """Shuffle blocks of rows and deal them to windows, as a function of the arguments."""
    size = max(1, min(window, rows) // BLOCKS_A_WINDOW)
    starts = np.arange(0, rows, size)
    if window < rows:
        starts = np.random.default_rng([seed, epoch]).permutation(starts)
    blocks = np.stack([starts, np.minimum(starts + size, rows)], axis=1)
    count = len(blocks) if window >= rows else BLOCKS_A_WINDOW
    of_windows = tuple(blocks[at : at + count] for at in range(0, len(blocks), count))
    ends = np.cumsum([int((each[:, 1] - each[:, 0]).sum()) for each in of_windows])
    return Windows(of_windows, ends.tolist(), seed, epoch)


@lru_cache(maxsize=2)
def dealt(windows: Windows, number: int) -> Buckets:
    """Deal the runs of a window's rows at random to buckets, so that a core's cache holds the one which is shuffled and fetched."""
    rows = windows.rows(number)
    bits = min(16, ((rows - 1) // BUCKET_ROWS).bit_length())
    random = np.random.default_rng([windows.seed, windows.epoch, number])
    drawn = random.integers(0, 2**bits, -(-rows // RUN), np.uint16)
    runs = np.split(drawn.argsort(kind="stable"), np.cumsum(np.bincount(drawn, minlength=2**bits))[:-1])
    sizes = np.array([RUN * len(each) for each in runs])
    sizes[drawn[-1]] -= -rows % RUN  # the last run may be short
    return Buckets(tuple(runs), np.cumsum(sizes).tolist(), windows, number)


@lru_cache(maxsize=3)
def shuffled(buckets: Buckets, number: int) -> Indices:
    """The rows of one bucket in their order."""
    return buckets.random(number).permutation(buckets.rows(number))


def forget() -> None:
    """Let go of what is kept of an order for its next steps, at a run's end."""
    for kept in (layout, dealt, shuffled):
        kept.cache_clear()


def _of_window(windows: Windows, number: int, start: int, end: int) -> list[Indices]:
    buckets = dealt(windows, number)
    return [shuffled(buckets, at)[first:last] for at, first, last in _overlapped(buckets.ends, start, end)]


def _overlapped(ends: list[int], start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The parts, which end at ``ends``, that ``start`` to ``end`` lies in: the number of each, and from where to where in it."""
    for number in range(bisect_right(ends, start), bisect_left(ends, end) + 1):
        begin = ends[number - 1] if number else 0
        yield number, max(start - begin, 0), min(end, ends[number]) - begin


def part(length: int, rank: int, workers: int) -> slice:
    """The contiguous part of ``length`` items that falls to ``rank``; parts differ by at most one, the first are longest."""
    if not 0 <= rank < workers:
        raise ValueError(f"rank must be in 0..{workers - 1}, got {rank}")
    size, longer = divmod(length, workers)
    start = rank * size + min(rank, longer)
    return slice(start, start + size + (rank < longer))
