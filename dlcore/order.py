"""Which rows a worker sees at a step: pure functions of integers, testable without a cluster.

The rows of a step depend on seed, epoch and step alone, never on the number of workers, so that N workers
see together what one would see, and a resumed or resized run goes on in mid-epoch without losing or repeating a row.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Order:
    """The shuffled order of ``rows`` rows in batches of ``batch``, each row exactly once an epoch."""

    rows: int
    batch: int
    seed: int

    def __post_init__(self) -> None:
        if self.rows < 1 or self.batch < 1 or self.seed < 0:
            raise ValueError(
                "an order needs at least one row, a batch of at least one and a seed of zero or more, got "
                f"rows={self.rows}, batch={self.batch}, seed={self.seed}"
            )

    @property
    def steps(self) -> int:
        """Steps of an epoch; the last one takes the rows that are left."""
        return -(-self.rows // self.batch)

    def position(self, step: int) -> tuple[int, int]:
        """The epoch that a zero-based step of the whole run falls in, and its step within that epoch."""
        return divmod(step, self.steps)

    def at(self, step: int) -> Indices:
        """Row numbers of the global batch at a step of the whole run."""
        epoch, within = self.position(step)
        return shuffled(self.rows, self.seed, epoch)[within * self.batch : (within + 1) * self.batch]


@lru_cache(maxsize=2)
def shuffled(rows: int, seed: int, epoch: int) -> Indices:
    """A permutation of ``range(rows)`` that is a function of its arguments."""
    return np.random.Generator(np.random.Philox(key=[seed, epoch])).permutation(rows)


def share(length: int, rank: int, workers: int) -> slice:
    """The contiguous part of ``length`` items that falls to ``rank``; parts differ by at most one, the first are longest."""
    if not 0 <= rank < workers:
        raise ValueError(f"rank must be in 0..{workers - 1}, got {rank}")
    size, longer = divmod(length, workers)
    start = rank * size + min(rank, longer)
    return slice(start, start + size + (rank < longer))
