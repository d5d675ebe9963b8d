"""The search is that of a sort of all distances and keys, for any length of codes, with ties at every rank, in blocks and alone."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from features.codes.hamming import Codes, Index

Array = NDArray[Any]


def some_codes(count: int, length: int, *, seed: int = 1, bits: float = 0.5) -> Codes:
    flags = np.random.default_rng(seed).random((count, length * 8)) < bits
    return np.packbits(flags, axis=1)


def brute(queries: Codes, keys: Array, codes: Codes, k: int) -> tuple[list[list[Any]], list[list[int]]]:
    """Every distance bit by bit, sorted by distance and key."""
    found = [
        sorted(
            (sum((int(a) ^ int(b)).bit_count() for a, b in zip(query, code, strict=True)), key)
            for key, code in zip(keys.tolist(), codes, strict=True)
        )[:k]
        for query in queries
    ]
    return [[key for _, key in one] for one in found], [[distance for distance, _ in one] for one in found]


@pytest.mark.parametrize("block", [1, 7, 64, 1 << 15])
@pytest.mark.parametrize("length", [1, 2, 3, 8, 9, 40])
def test_it_is_that_of_a_sort(length: int, block: int) -> None:
    keys = np.random.default_rng(2).permutation(90) * 3
    codes, queries = some_codes(90, length), some_codes(4, length, seed=3)
    for k in (1, 10, 90, 200):
        found, distances = Index.of(keys, codes).nearest(queries, k=k, block=block)
        assert (found.tolist(), distances.tolist()) == brute(queries, keys, codes, k)
        assert found.shape == (4, min(k, 90))


@pytest.mark.parametrize("kind", ["<U8", object])
def test_ties_are_broken_by_key_wherever_they_lie(kind: Any) -> None:
    codes = some_codes(100, 2, bits=0.1)  # few bits, so few distances: nearly all are ties
    keys = np.array([f"cell-{number}" for number in np.random.default_rng(4).permutation(100)], kind)
    found, distances = Index.of(keys, codes).nearest(codes[:5], k=30, block=16)
    assert (found.tolist(), distances.tolist()) == brute(codes[:5], keys, codes, 30)
    order = np.random.default_rng(5).permutation(100)
    assert np.array_equal(Index.of(keys[order], codes[order]).nearest(codes[:5], k=30)[0], found)
    every = Index.of(keys, np.zeros((100, 2), np.uint8)).nearest(np.ones((1, 2), np.uint8), k=100)[0]
    assert every.tolist() == [sorted(keys.tolist())]


def test_the_furthest_distances_are_counted_whole() -> None:
    for length in (31, 32, 64, 9000):
        _, distances = Index.of(np.arange(1), np.zeros((1, length), np.uint8)).nearest(
            np.full((1, length), 255, np.uint8), k=1
        )
        assert distances.tolist() == [[length * 8]]


def test_nothing_to_search_and_nothing_asked() -> None:
    empty = Index.of(np.empty(0, np.int64), np.empty((0, 8), np.uint8))
    found, distances = empty.nearest(some_codes(3, 8), k=5)
    assert found.shape == distances.shape == (3, 0)
    found, _ = Index.of(np.arange(9), some_codes(9, 8)).nearest(np.empty((0, 8), np.uint8), k=5)
    assert found.shape == (0, 5)


def test_what_is_no_code_is_refused() -> None:
    index = Index.of(np.arange(9), some_codes(9, 8))
    with pytest.raises(ValueError, match="k must be at least 1"):
        index.nearest(some_codes(1, 8), k=0)
    with pytest.raises(ValueError, match="one length, got 2 bytes and 8"):
        index.nearest(some_codes(1, 2), k=1)
    with pytest.raises(ValueError, match=r"bytes \[n, length\], got int64\[9\]"):
        Index.of(np.arange(9), np.arange(9))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="8 keys and 9 codes"):
        Index.of(np.arange(8), some_codes(9, 8))
