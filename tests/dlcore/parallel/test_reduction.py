"""Sums over shares by ranks of a process group: the bits of a sum in one process, whole or in slices, several at a time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from functools import partial
from itertools import pairwise
from typing import TypeVar

import pytest
import torch
from torch import Tensor
from torch._C._distributed_c10d import TCPStore

from dlcore.parallel.collective import SMALL_BYTES, Alone, BrokenGroup, Collective, ProcessGroup, gathered
from dlcore.parallel.reduction import Reduction
from dlcore.parallel.tree import holdings, put

T = TypeVar("T")
LARGE = SMALL_BYTES // 4 + 17
"""More floats than go whole to another."""


def on_ranks(workers: int, run: Callable[[Collective], T]) -> list[T]:
    """What ``run`` returns on each rank of a group."""
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False, timeout=timedelta(seconds=20))

    def join(rank: int) -> T:
        client = TCPStore("127.0.0.1", store.port, is_master=False, timeout=timedelta(seconds=20))
        with closing(ProcessGroup(client, rank=rank, workers=workers, address="127.0.0.1", patience_s=20)) as group:
            return run(group)

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(join, range(workers)))


def given(share: int, length: int, dtype: torch.dtype) -> Tensor:
    drawn = torch.Generator().manual_seed(share + length)
    return (torch.randn(length, generator=drawn) * 10.0 ** (share % 5)).to(dtype)


def summed(
    collective: Collective, shares: int, lengths: list[int], dtype: torch.dtype, *, scattered: bool = False
) -> list[Tensor]:
    """Sums that are all begun before any is waited for, as those of a model's buffers are; ``scattered`` by `owned`."""
    reduction, waits, sums = Reduction(collective, shares=shares), [], []
    for length in lengths:
        parts: dict[range, Tensor] = {}
        for share in reduction.held:
            into = given(share, length, dtype)
            put(parts, share, into, shares=shares)
        scatter = partial(reduction.scatter, owned=owned(length, collective.workers))
        waits.append((scatter if scattered else reduction.sum)(parts, into))
        sums.append(into)
    for wait in waits:
        wait()
    reduction.close()
    return sums


@pytest.mark.parametrize(("shares", "workers"), [(2, 2), (3, 2), (4, 3), (5, 5), (8, 3), (7, 4)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_the_sum_has_the_bits_of_one_process(shares: int, workers: int, dtype: torch.dtype) -> None:
    lengths = [LARGE, 1, 300, LARGE]
    expected = summed(Alone(), shares, lengths, dtype)
    for sums in on_ranks(workers, lambda collective: summed(collective, shares, lengths, dtype)):
        assert all(torch.equal(one, other) for one, other in zip(sums, expected, strict=True))


def owned(length: int, workers: int) -> list[slice]:
    """Slices of unlike lengths, the first of none, and two elements behind them."""
    ends = [0, *(max(0, length - 2) * rank // max(1, workers - 1) for rank in range(workers))]
    return [slice(*each) for each in pairwise(ends)]


@pytest.mark.parametrize(("shares", "workers"), [(2, 2), (3, 2), (4, 3), (5, 5)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_each_rank_gets_the_sum_of_what_it_owns_and_all_that_of_the_rest(
    shares: int, workers: int, dtype: torch.dtype
) -> None:
    lengths = [LARGE, 2, 300]
    expected = summed(Alone(), shares, lengths, dtype)
    found = on_ranks(workers, lambda collective: summed(collective, shares, lengths, dtype, scattered=True))
    for rank, sums in enumerate(found):
        for length, one, other in zip(lengths, sums, expected, strict=True):
            for cut in (owned(length, workers)[rank], slice(length - 2, None)):
                assert torch.equal(one[cut], other[cut])


@pytest.mark.parametrize("length", [300, LARGE])
def test_a_worker_that_leaves_ends_the_others_sums(length: int) -> None:
    def leave_or_sum(collective: Collective) -> None:
        if collective.rank == 2:
            return
        with pytest.raises(BrokenGroup, match=f"rank {collective.rank} lost its group"):
            summed(collective, 3, [length], torch.float32)

    on_ranks(3, leave_or_sum)


def test_what_each_share_gives_is_gathered_in_their_order() -> None:
    ranges = holdings(5, workers=3)

    def gather(collective: Collective) -> list[bytes]:
        return gathered(collective, [b"%d" % share * share for share in ranges[collective.rank]], ranges)

    assert on_ranks(3, gather) == [[b"", b"1", b"22", b"333", b"4444"]] * 3
