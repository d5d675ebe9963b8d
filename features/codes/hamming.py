"""Exact search by Hamming distance: the k codes nearest to a query, those at one distance in the order of their keys."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint8]
"""[n, length]: bytes, one code a row."""
Words = NDArray[np.uint64]
"""[words, n]: codes by 8 bytes at a time, so that one word of all of them lies together."""
Keys = NDArray[Any]
Distances = NDArray[np.unsignedinteger[Any]]
WORD_BYTES = 8
BLOCK = 1 << 15
"""Codes at a time: a word of each, what it differs in and the distances take 0.6 MB, and stay in a core's cache for all queries."""


class Nearest(NamedTuple):
    """Of each query the neighbours, nearest first, among one distance the lowest first: ``rows`` [q, m] and ``distances`` [q, m]."""

    rows: NDArray[np.int64]
    distances: NDArray[np.int64]


def words(codes: Codes) -> Words:
    """Codes as words; zeros fill the last one, which adds nothing to a distance."""
    _refuse_other_than_codes(codes)
    count, length = codes.shape
    padded = np.zeros((count, -(-length // WORD_BYTES) * WORD_BYTES), np.uint8)
    padded[:, :length] = codes
    return np.ascontiguousarray(padded.view(np.uint64).T)


def nearest(queries: Words, among: Words, *, k: int, block: int = BLOCK) -> Nearest:
    """The ``k`` columns of ``among`` nearest to each of ``queries``, or all where there are fewer; of equal ones the first.

    ``block`` columns at a time are searched for all queries.
    """
    if k < 1 or len(queries) != len(among):
        raise ValueError(
            f"k must be at least 1 and codes of one length, got {k=}, {len(queries)} and {len(among)} words"
        )
    best = [_Best(k) for _ in range(queries.shape[1])]
    room = _Room.of(len(among), block)
    for begin in range(0, among.shape[1], block):
        part = among[:, begin : begin + block]
        for number, one in enumerate(best):
            one.add(room.distances(queries[:, number], part), begin)
    kept = min(k, among.shape[1])
    shape = (len(best), kept)
    return Nearest(
        np.array([one.rows for one in best], np.int64).reshape(shape),
        np.array([one.distances for one in best], np.int64).reshape(shape),
    )


@dataclass(frozen=True, eq=False)
class Index:
    """Codes in the order of their keys, for searching; keys are numbers, text or bytes."""

    keys: Keys
    words: Words
    length: int
    """Of a code, in bytes."""

    @classmethod
    def of(cls, keys: Keys, codes: Codes) -> "Index":
        if len(keys) != len(codes):
            raise ValueError(f"each code must have a key, got {len(keys)} keys and {len(codes)} codes")
        _refuse_other_than_codes(codes)
        order = np.argsort(keys, kind="stable")
        return cls(keys[order], words(codes[order]), codes.shape[1])

    def nearest(self, queries: Codes, *, k: int, block: int = BLOCK) -> tuple[Keys, NDArray[np.int64]]:
        """Keys and distances of each query's neighbours, both [q, min(k, n)], ordered by distance and then by key."""
        if queries.shape[1] != self.length:
            raise ValueError(f"codes must be of one length, got {queries.shape[1]} bytes and {self.length}")
        found = nearest(words(queries), self.words, k=k, block=block)
        return self.keys[found.rows], found.distances


@dataclass(eq=False)
class _Room:
    """Memory for a block's distances, used again for each: new memory would cost more than the search."""

    differing: Words
    ones: Codes
    sums: Distances

    @classmethod
    def of(cls, words_: int, block: int) -> "_Room":
        enough = np.min_scalar_type(words_ * WORD_BYTES * 8)
        return cls(np.empty(block, np.uint64), np.empty(block, np.uint8), np.empty(block, enough))

    def distances(self, query: Words, block: Words) -> Distances:
        """[n], overwritten by the next call."""
        differing, ones, sums = (each[: block.shape[1]] for each in (self.differing, self.ones, self.sums))
        for number, (word, own) in enumerate(zip(block, query, strict=True)):
            np.bitwise_xor(word, own, out=differing)
            np.bitwise_count(differing, out=ones if number else sums)
            if number:
                np.add(sums, ones, out=sums)
        return sums


class _Best:
    """The ``k`` nearest so far; rows come ascending, so a later one of the same distance never takes a place."""

    def __init__(self, k: int) -> None:
        self._k = k
        self.rows: NDArray[np.int64] = np.empty(0, np.int64)
        self.distances: Distances = np.empty(0, np.uint8)

    def add(self, distances: Distances, begin: int) -> None:
        nearer = self._nearer(distances)
        if not len(nearer):
            return
        rows = np.concatenate([self.rows, nearer + begin])
        known = np.concatenate([self.distances, distances[nearer]])
        order = np.argsort(known, kind="stable")[: self._k]
        self.rows, self.distances = rows[order], known[order]

    def _nearer(self, distances: Distances) -> NDArray[np.int64]:
        if len(self.rows) < self._k:
            return np.arange(len(distances))
        # Python's int leaves the comparison one of bytes; a scalar of numpy's would widen them all first.
        furthest = int(self.distances[-1])
        if distances.min() >= furthest:
            return np.empty(0, np.int64)
        return np.flatnonzero(distances < furthest)


def _refuse_other_than_codes(codes: Codes) -> None:
    if codes.dtype != np.uint8 or codes.ndim != 2 or not codes.shape[1]:
        raise ValueError(f"codes must be bytes [n, length], got {codes.dtype}{list(codes.shape)}")
