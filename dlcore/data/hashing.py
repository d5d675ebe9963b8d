"""A hash of rows as a set: neither their order nor how they are cut into pieces changes it."""

import hashlib
from collections.abc import Mapping
from functools import cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dlcore.data.cells import Array, Cells

Hashes = NDArray[np.uint64]
BLOCK_BYTES = 2**20


def rows_hash(cells: Mapping[str, Cells]) -> int:
    """The sum of a hash of each row, of its tensors in their order, modulo 2**64; as a signed number, which Spark's ``long`` can hold."""
    rows = np.zeros(len(next(iter(cells.values()))), np.uint64)
    for each in cells.values():
        rows = _mixed(rows + (_of_words(each) if isinstance(each, np.ndarray) else _of_bytes(each)))
    return int(rows.sum().astype(np.int64))


def _of_words(cells: Array) -> Hashes:
    """Random multiples of a row's words, summed (Lemire and Kaser, Strongly Universal String Hashing is Fast, 2014)."""
    flat = np.ascontiguousarray(cells).reshape(len(cells), -1)
    words = flat.view(np.uint32 if flat.shape[1] * flat.itemsize % 4 == 0 else np.uint8)
    found, multipliers = np.empty(len(words), np.uint64), _multipliers(words.shape[1])
    step = max(1, BLOCK_BYTES // max(1, multipliers.nbytes))
    for at in range(0, len(words), step):
        found[at : at + step] = words[at : at + step].astype(np.uint64) @ multipliers
    return found


def _of_bytes(cells: pa.LargeBinaryArray) -> Hashes:
    digests = b"".join(hashlib.sha256(each.as_buffer()).digest()[:8] for each in cells)
    return np.frombuffer(digests, np.uint64)


@cache
def _multipliers(count: int) -> Hashes:
    """Odd numbers of a generator whose stream never changes."""
    return np.random.Philox(key=1).random_raw(count) | np.uint64(1)


def _mixed(rows: Hashes) -> Hashes:
    """Each bit on all bits: the end of MurmurHash3, for 64 bits."""
    for multiplier in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        rows = (rows ^ (rows >> np.uint64(33))) * np.uint64(multiplier)
    return rows ^ (rows >> np.uint64(33))
