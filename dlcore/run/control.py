"""How the driver and its workers talk: a small key-value store, bound to one address, that carries nothing but JSON.

Workers meet through it, the driver reads progress and errors from it while a group runs, and asks for a stop by it.
"""

import json
import platform
import socket
from datetime import timedelta
from typing import Any

from torch._C._distributed_c10d import PrefixStore, Store, TCPStore

from dlcore.parallel.collective import BrokenGroup

CONNECT_S = 30.0
WAITING = 100
"""How many messages of a queue may wait for the driver; then no more are taken."""


class ControlServer:
    """The store's server, in the driver's process. It listens on ``bind`` alone, which workers reach as ``host``; port 0 is a free one."""

    def __init__(self, host: str, *, bind: str | None = None, port: int = 0) -> None:
        bind = bind or host
        listener = socket.create_server((bind, port), backlog=512)
        self.host, self.port = host, int(listener.getsockname()[1])
        self._store = TCPStore(
            bind, self.port, is_master=True, wait_for_workers=False, master_listen_fd=listener.detach()
        )

    def post(self, key: str, message: Any) -> None:
        self._store.set(key, json.dumps(message))

    def look(self, key: str) -> Any:
        """The message under ``key``, or None while there is none."""
        return json.loads(self._store.get(key)) if self._store.check([key]) else None

    def take(self, queue: str) -> Any:
        """The next message of a queue, or None while there is none."""
        return json.loads(self._store.queue_pop(queue, False)) if self._store.queue_len(queue) else None


class ControlClient:
    """A worker's connection to the control."""

    def __init__(self, host: str, port: int, *, patience_s: float) -> None:
        self.address = _address_towards(host, port)
        self._store = TCPStore(
            host, port, is_master=False, wait_for_workers=False, timeout=timedelta(seconds=CONNECT_S)
        )
        self._store.set_timeout(timedelta(seconds=patience_s))

    def post(self, key: str, message: Any) -> None:
        self._store.set(key, json.dumps(message))

    def look(self, key: str) -> Any:
        return json.loads(self._store.get(key)) if self._store.check([key]) else None

    def wait(self, key: str) -> Any:
        """The message under ``key``; a BrokenGroup when it does not come within this client's patience."""
        try:
            return json.loads(self._store.get(key))
        except RuntimeError as error:
            raise BrokenGroup(f"waited in vain for the others ({key}): {str(error).splitlines()[0]}") from error

    def count(self, key: str) -> int:
        """Add one to a counter and return how many came before."""
        return self._store.add(key, 1) - 1

    def tell(self, queue: str, message: Any) -> bool:
        """Add a message to a queue, unless too many wait there; whether it was added."""
        if self._store.queue_len(queue) >= WAITING:
            return False
        self._store.queue_push(queue, json.dumps(message))
        return True

    def sub(self, prefix: str) -> Store:
        """The store under a prefix, for a process group to meet in."""
        return PrefixStore(prefix, self._store)


def _address_towards(host: str, port: int) -> str:
    """This machine's own address on the interface that reaches ``host``."""
    try:
        with socket.create_connection((host, port), timeout=CONNECT_S) as probe:
            return str(probe.getsockname()[0])
    except OSError as error:
        raise ConnectionError(
            f"workers must reach the driver, which listens on {host}:{port} (spark.driver.host, spark.dlcore.port), but "
            f"{platform.node()} does not: {error}"
        ) from error
