"""Messages between workers over connections of their own: all arrive whole and in order, and no one waits for ever."""

import json
import logging
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

import pytest
import torch
from torch import Tensor
from torch._C._distributed_c10d import HashStore

from dlcore.parallel.links import GREETING, Links

T = TypeVar("T")
LARGE = 3_000_000
"""More bytes than the system takes at once."""


def on_ranks(
    workers: int, run: Callable[[int, Links], T], *, address: str = "127.0.0.1", patience_s: float = 20
) -> list[T]:
    """What ``run`` returns on each rank."""
    store = HashStore()

    def join(rank: int) -> T:
        links = Links.met(store, rank=rank, workers=workers, address=address, patience_s=patience_s)
        with closing(links):
            return run(rank, links)

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(join, range(workers)))


def message(source: int, target: int, length: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return (torch.arange(length) % 100 + source * 100 + target * 1000).to(dtype)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64])
def test_all_messages_come_whole_and_in_order(address: str, dtype: torch.dtype) -> None:
    lengths = [3, LARGE // 8, 0, 1, LARGE // 8]

    def swap(rank: int, links: Links) -> bool:
        others = [other for other in range(3) if other != rank]
        came: list[tuple[int, int, Tensor]] = []
        waits = []
        for length in lengths:
            sent = {other: message(rank, other, length, dtype) for other in others}
            received = {other: torch.empty(length, dtype=dtype) for other in others}
            waits.append(links.exchange(sent, received))
            came += [(other, length, each) for other, each in received.items()]
        for wait in reversed(waits):  # in whatever order they are waited for
            wait()
        return all(torch.equal(each, message(other, rank, length, dtype)) for other, length, each in came)

    assert on_ranks(3, swap, address=address) == [True] * 3


@pytest.mark.parametrize("length", [3, LARGE])
def test_one_that_has_left_ends_the_wait(length: int) -> None:
    def leave_or_wait(rank: int, links: Links) -> None:
        if rank == 0:
            return
        with pytest.raises(ConnectionError):  # refused, reset, or closed by the other
            links.exchange({0: message(1, 0, length)}, {0: torch.empty(length)})()

    on_ranks(2, leave_or_wait)


def test_ranks_that_are_not_at_the_same_message_hear_of_it() -> None:
    def swap(rank: int, links: Links) -> None:
        wait = links.exchange({1 - rank: torch.ones(1 + rank)}, {1 - rank: torch.empty(1 + rank)})
        with pytest.raises(ConnectionError, match=f"rank {1 - rank} is at another message|has left|reset"):
            wait()

    on_ranks(2, swap)


def test_silence_ends_the_wait_after_the_patience() -> None:
    ended = threading.Event()

    def keep_silent_or_wait(rank: int, links: Links) -> None:
        if rank == 0:
            assert ended.wait(20)
            return
        with pytest.raises(TimeoutError, match=r"nothing came from or went to rank 0 for 0\.5 s"):
            links.exchange({}, {0: torch.empty(1)})()
        ended.set()

    on_ranks(2, keep_silent_or_wait, patience_s=0.5)


def test_strangers_are_refused_and_the_workers_meet(caplog: pytest.LogCaptureFixture) -> None:
    store = HashStore()

    def meet(rank: int) -> None:
        with closing(Links.met(store, rank=rank, workers=2, address="127.0.0.1", patience_s=20)) as links:
            links.exchange({1 - rank: torch.ones(1)}, {1 - rank: torch.ones(1)})()

    with caplog.at_level(logging.WARNING, logger="dlcore"), ThreadPoolExecutor(2) as pool:
        first = pool.submit(meet, 0)
        host, port, _ = json.loads(store.get("links/0"))
        for said in (b"?" * GREETING.size, b"short", b""):
            with socket.create_connection((host, port)) as stranger:
                stranger.sendall(said)
        second = pool.submit(meet, 1)
        first.result()
        second.result()
    assert [record.getMessage() for record in caplog.records] == [
        "a client without the group's token was refused by a worker"
    ] * 3
