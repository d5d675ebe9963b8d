"""What workers do together: a small interface with an implementation for one process and one for several."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce
from typing import Protocol

import torch
from torch import Tensor
from torch._C._distributed_c10d import BroadcastOptions, ProcessGroupGloo, Store, Work

from dlcore.parallel.links import Links

SMALL_BYTES = 2**20
"""What goes whole from a worker to all others."""


class BrokenGroup(RuntimeError):
    """Another worker of the group is gone or silent; what is wrong is to be found there."""


Wait = Callable[[], None]


class Collective(Protocol):
    """One worker's view of its group."""

    @property
    def rank(self) -> int: ...

    @property
    def workers(self) -> int: ...

    def sum(self, tensor: Tensor) -> Wait:
        """Begin to replace ``tensor`` by its sum over all workers; the returned call waits for the end."""
        ...

    def broadcast(self, tensor: Tensor, *, source: int) -> Wait:
        """Begin to replace ``tensor`` by that of rank ``source``."""
        ...

    def exchange(self, sent: Mapping[int, Tensor], received: Mapping[int, Tensor], *, tag: int) -> Wait:
        """Begin to send tensors to other ranks and to receive others from them, in messages that ``tag`` tells from all others."""
        ...

    def swap(self, sent: Mapping[int, Tensor], received: Mapping[int, Tensor]) -> Wait:
        """As ``exchange``, for what is small, in the order in which all ranks call it, and by one thread of each."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Alone:
    """A group of one: every collective is complete at once."""

    rank: int = 0
    workers: int = 1

    def sum(self, tensor: Tensor) -> Wait:
        return _nothing

    def broadcast(self, tensor: Tensor, *, source: int) -> Wait:
        return _nothing

    def exchange(self, sent: Mapping[int, Tensor], received: Mapping[int, Tensor], *, tag: int) -> Wait:
        return _nothing

    def swap(self, sent: Mapping[int, Tensor], received: Mapping[int, Tensor]) -> Wait:
        return _nothing

    def close(self) -> None:
        return None


def gathered(collective: Collective, contents: Sequence[bytes], holdings: Sequence[range]) -> list[bytes]:
    """What each share gives, of which a rank's ``holdings`` are its own; each may give another number of bytes."""
    sizes = torch.zeros(holdings[-1].stop, dtype=torch.int64)
    held = holdings[collective.rank]
    sizes[held.start : held.stop] = torch.tensor([*map(len, contents)])
    collective.sum(sizes)()
    buffers = [torch.empty(int(size), dtype=torch.uint8) for size in sizes]
    for share, content in zip(held, contents, strict=True):
        if content:
            buffers[share].copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
    sources = [(rank, buffers[share]) for rank, shares in enumerate(holdings) for share in shares]
    for wait in [collective.broadcast(each, source=rank) for rank, each in sources if len(each)]:
        wait()
    return [buffer.numpy().tobytes() for buffer in buffers]


def _nothing() -> None:
    return None


class ProcessGroup:
    """A group of processes that exchange tensors peer to peer: over gloo, and what is small over links of their own.

    ``address`` is the one local address that this process listens on; ``patience_s`` is how long a worker waits for another
    before it counts as hung.
    """

    def __init__(self, store: Store, *, rank: int, workers: int, address: str, patience_s: float) -> None:
        self.rank, self.workers = rank, workers
        options = ProcessGroupGloo._Options()  # type: ignore[attr-defined]
        options._devices = [ProcessGroupGloo.create_device(hostname=address)]
        options._timeout = timedelta(seconds=patience_s)
        with self._breaking():
            self._group = ProcessGroupGloo(store, rank, workers, options)
            self._links = Links.met(store, rank=rank, workers=workers, address=address, patience_s=patience_s)

    def sum(self, tensor: Tensor) -> Wait:
        if (self.workers - 1) * tensor.nbytes <= SMALL_BYTES:
            return self._sum_of_all(tensor)
        return self._begun(lambda: [self._group.allreduce([tensor])])  # type: ignore[attr-defined]

    def broadcast(self, tensor: Tensor, *, source: int) -> Wait:
        options = BroadcastOptions()
        options.rootRank = source
        return self._begun(lambda: [self._group.broadcast([tensor], options)])  # type: ignore[attr-defined]

    def exchange(self, sent: Mapping[int, Tensor], received: Mapping[int, Tensor], *, tag: int) -> Wait:
        def begin() -> list[Work]:
            incoming = [self._group.recv([each], rank, tag) for rank, each in received.items() if each.numel()]  # type: ignore[attr-defined]
            outgoing = [self._group.send([each], rank, tag) for rank, each in sent.items() if each.numel()]  # type: ignore[attr-defined]
            return incoming + outgoing

        return self._begun(begin)

    def swap(self, sent: Mapping[int, Tensor], received: Mapping[int, Tensor]) -> Wait:
        with self._breaking():
            wait = self._links.exchange(sent, received)

        def finish() -> None:
            with self._breaking():
                wait()

        return finish

    def _sum_of_all(self, tensor: Tensor) -> Wait:
        """The sum by each worker by itself, in the order of the ranks."""
        received = {rank: torch.empty_like(tensor) for rank in range(self.workers) if rank != self.rank}
        wait = self.swap(dict.fromkeys(received, tensor), received)

        def finish() -> None:
            wait()
            tensor.copy_(reduce(torch.add, (received.get(rank, tensor) for rank in range(self.workers))))

        return finish

    def _begun(self, begin: Callable[[], list[Work]]) -> Wait:
        with self._breaking():
            works = begin()  # an error's frames hold neither these nor the group, which would keep its connections open

        def wait() -> None:
            try:
                with self._breaking():
                    while works:
                        works.pop(0).wait()
            finally:
                works.clear()

        return wait

    @contextmanager
    def _breaking(self) -> Iterator[None]:
        try:
            yield
        except (RuntimeError, OSError) as error:
            raise self._broken(error) from error

    def _broken(self, error: Exception) -> BrokenGroup:
        return BrokenGroup(f"rank {self.rank} lost its group: {str(error).splitlines()[0]}")

    def close(self) -> None:
        """Close the connections; the others notice at once. Those of gloo end with the last reference to its group, not with shutdown."""
        self._links.close()
        self._group.shutdown()
        del self._group
