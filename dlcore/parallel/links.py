"""Connections between the workers of a group for small messages, which the calling thread sends and receives by itself.

gloo hands a message from thread to thread, and each of them must be woken. On cores that are all at work this takes a millisecond,
many times what a small message takes.
"""

import hmac
import json
import logging
import secrets
import select
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress

import torch
from torch import Tensor
from torch._C._distributed_c10d import Store

log = logging.getLogger("dlcore")

GREETING = struct.Struct("!16sI")
"""What a worker says first to one that it connects to: the token that this one has told the group by the store, and its own rank."""
GREETING_S = 5.0
LENGTH = struct.Struct("!Q")
"""What goes before a message: how many bytes it has."""


class Links:
    """A connection to each of the other ranks.

    Messages between two ranks come in the order in which they were begun, which must be the same on both. What is wrong is an OSError:
    that another has left, is at a message of another length, or that nothing has moved for ``patience_s``.
    """

    def __init__(self, peers: Mapping[int, socket.socket], *, patience_s: float) -> None:
        self._links, self._patience_s = {rank: _Link(rank, peer) for rank, peer in peers.items()}, patience_s

    @classmethod
    def met(cls, store: Store, *, rank: int, workers: int, address: str, patience_s: float) -> "Links":
        """Connect to all others, each of which listens on an address of its own that ``store`` tells."""
        token, family = secrets.token_bytes(16), socket.getaddrinfo(address, 0, type=socket.SOCK_STREAM)[0][0]
        with ExitStack() as stack, socket.create_server((address, 0), family=family, backlog=workers) as listener:
            store.set(f"links/{rank}", json.dumps([address, listener.getsockname()[1], token.hex()]).encode())  # type: ignore[arg-type]  # bytes, as it is given back
            peers = dict[int, socket.socket]()
            for lower in range(rank):
                peers[lower] = stack.enter_context(_reached(store.get(f"links/{lower}"), rank, patience_s))
            deadline = time.monotonic() + patience_s
            while len(peers) < workers - 1:
                listener.settimeout(_left(deadline))
                peer = stack.enter_context(listener.accept()[0])
                if (higher := _greeted(peer, token)) is not None:
                    peers[higher] = peer
            stack.pop_all()
        return cls(peers, patience_s=patience_s)

    def exchange(self, sent: Mapping[int, Tensor], received: Mapping[int, Tensor]) -> Callable[[], None]:
        """Begin to send contiguous tensors to other ranks and to receive others from them; the returned call waits for the end."""
        rooms = {rank: bytearray(LENGTH.size + each.nbytes) for rank, each in received.items()}
        begun = [(self._links[rank].outgoing, _message(each)) for rank, each in sent.items()]
        begun += [(self._links[rank].incoming, memoryview(room)) for rank, room in rooms.items()]
        ends = [(stream, stream.add(message)) for stream, message in begun]
        for stream, _ in ends:
            stream.move()

        def wait() -> None:
            self._wait(ends)
            for rank, room in rooms.items():
                _unpack(rank, room, received[rank])

        return wait

    def _wait(self, ends: Sequence[tuple["_Stream", int]]) -> None:
        deadline = time.monotonic() + self._patience_s
        while any(stream.done < end for stream, end in ends):
            if self._moved(deadline - time.monotonic()):
                deadline = time.monotonic() + self._patience_s

    def _moved(self, seconds: float) -> int:
        """Wait until something can be sent or received, and do so; how many bytes it was."""
        poll, links = select.poll(), {link.number: link for link in self._links.values() if link.awaited}
        for number, link in links.items():
            poll.register(number, link.awaited)
        ready = poll.poll(max(0.0, seconds) * 1000)
        if not ready:
            silent = ", ".join(str(link.rank) for link in links.values())
            raise TimeoutError(f"nothing came from or went to rank {silent} for {self._patience_s:g} s")
        return sum(links[number].outgoing.move() + links[number].incoming.move() for number, _ in ready)

    def close(self) -> None:
        """Close the connections; the others notice at once."""
        for link in self._links.values():
            link.peer.close()


class _Link:
    """Both directions of a connection."""

    def __init__(self, rank: int, peer: socket.socket) -> None:
        peer.setblocking(False)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rank, self.peer, self.number = rank, peer, peer.fileno()
        self.outgoing, self.incoming = _Stream(rank, peer.send), _Stream(rank, peer.recv_into)

    @property
    def awaited(self) -> int:
        """What poll is asked to wait for."""
        return (select.POLLOUT if self.outgoing.waiting else 0) | (select.POLLIN if self.incoming.waiting else 0)


class _Stream:
    """Messages that go through a connection in one direction, one after the other; ``done`` is how many have."""

    def __init__(self, rank: int, move: Callable[[memoryview], int]) -> None:
        self._rank, self._move, self.waiting, self.done = rank, move, deque[memoryview](), 0

    def add(self, message: memoryview) -> int:
        """Add one to the end; how many there were, which are ``done`` when it is."""
        self.waiting.append(message)
        return self.done + len(self.waiting)

    def move(self) -> int:
        """Send or receive what can be at once; how many bytes it was."""
        moved = 0
        while self.waiting:
            try:
                count = self._move(self.waiting[0])
            except BlockingIOError:
                break
            if not count:
                raise ConnectionError(f"rank {self._rank} has left")
            moved += count
            self.waiting[0] = self.waiting[0][count:]
            if not self.waiting[0]:
                self.waiting.popleft()
                self.done += 1
        return moved


def _content(tensor: Tensor) -> memoryview:
    return tensor.detach().view(-1).view(torch.uint8).numpy().data


def _message(tensor: Tensor) -> memoryview:
    content = _content(tensor)
    return memoryview(b"".join((LENGTH.pack(len(content)), content)))


def _unpack(rank: int, message: bytearray, into: Tensor) -> None:
    """Take what has come, unless it was sent as something else."""
    content = _content(into)
    [length] = LENGTH.unpack_from(message)
    if length != len(content):
        raise ConnectionError(f"rank {rank} is at another message: it sent {length} bytes where {len(content)} are due")
    content[:] = memoryview(message)[LENGTH.size :]


def _left(deadline: float) -> float:
    """Seconds until then; a moment at the least, since with none a socket does not wait but returns at once."""
    return max(0.001, deadline - time.monotonic())


def _reached(told: bytes, rank: int, patience_s: float) -> socket.socket:
    """A connection to the worker that has ``told`` where it listens."""
    host, port, token = json.loads(told)
    peer = socket.create_connection((host, port), timeout=patience_s)
    peer.sendall(GREETING.pack(bytes.fromhex(token), rank))
    return peer


def _greeted(peer: socket.socket, token: bytes) -> int | None:
    """The rank of who has connected; none, and the connection closed, where it is no worker of the group."""
    given, deadline = b"", time.monotonic() + GREETING_S
    with suppress(OSError):  # of one who says nothing, or has left
        while len(given) < GREETING.size:
            peer.settimeout(_left(deadline))
            if not (more := peer.recv(GREETING.size - len(given))):
                break
            given += more
    if len(given) == GREETING.size:
        found, rank = GREETING.unpack(given)
        if hmac.compare_digest(found, token):
            return int(rank)
    log.warning("a client without the group's token was refused by a worker")
    peer.close()
    return None
