"""How the driver and its workers talk: a small key-value server, bound to one address, that carries nothing but JSON.

Workers meet through it, the driver reads progress and errors from it while a group runs, and asks for a stop by it. Who connects
must have the run's key, which workers get by Spark's own channel: both sides prove by an HMAC challenge that they have it, and who
does not is told nothing.
"""

import base64
import json
import logging
import os
import platform
import secrets
import socket
import struct
import threading
import time
from datetime import timedelta
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, answer_challenge, deliver_challenge
from typing import Any

from torch._C._distributed_c10d import Store

from dlcore.parallel.collective import BrokenGroup
from dlcore.run.board import ASKED, Board

log = logging.getLogger("dlcore")

CONNECT_S = 30.0
KEY_BYTES = 32
LONGEST_BYTES = 64 * 2**20
"""The longest message of a client that has proved itself; what others may send is shorter than a challenge's answer."""
TURN_S, PAUSE_S = 0.2, 0.001
"""A thread that waits asks for so long at a time, and leaves the connection to the client's other threads in between."""


class LostDriver(ConnectionError):
    """The driver has left, or is silent: a worker can tell nobody, and ends."""


class ControlServer:
    """The server, in the driver's process. It listens on ``bind`` alone, which workers reach as ``host``; port 0 is a free one."""

    def __init__(self, host: str, *, bind: str | None = None, port: int = 0) -> None:
        self.key, self._board = secrets.token_bytes(KEY_BYTES), Board()
        self.post, self.look, self.take = self._board.post, self._board.look, self._board.take
        where = (bare(bind or host), port)
        self._listener = socket.create_server(where, family=_family(*where), backlog=512)
        self.host, self.port = bare(host), int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, name="dlcore-control", daemon=True).start()

    def close(self) -> None:
        """Listen no more; clients that are connected are answered until they leave."""
        self._listener.shutdown(
            socket.SHUT_RDWR
        )  # which ends the wait of the thread that accepts; closing alone would not
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # the listener was closed
                return
            threading.Thread(target=self._serve, args=(client,), name="dlcore-control-client", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        client.setsockopt(
            socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1
        )  # a client whose link is cut leaves too, in the end
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with client, Connection(os.dup(client.fileno())) as connection:
            try:
                _silent_for(client, CONNECT_S)
                deliver_challenge(connection, self.key)
                answer_challenge(connection, self.key)
                _silent_for(client, 0)
                while True:
                    name, *values = json.loads(connection.recv_bytes(LONGEST_BYTES))
                    connection.send_bytes(json.dumps(ASKED[name](self._board, *values)).encode())
            except AuthenticationError:
                log.warning("a client without the run's key was refused by the control server")
            except (EOFError, OSError):  # the client has left, or said what none of ours says
                return


class ControlClient:
    """A worker's connection to the control server.

    ``patience_s`` is how long it waits for the others, ``answer_s`` for the server's own answers. A driver whose link is cut ends
    nothing by itself: after that long, and ever after, the client raises LostDriver.
    """

    def __init__(self, host: str, port: int, key: bytes, *, patience_s: float, answer_s: float = 60.0) -> None:
        self._patience_s, self._one_at_a_time = patience_s, threading.Lock()
        with _connected(host, port) as server:
            self.address = str(server.getsockname()[0])
            _silent_for(server, answer_s)
            self._connection = Connection(os.dup(server.fileno()))
        try:
            answer_challenge(self._connection, key)
            deliver_challenge(self._connection, key)
        except BlockingIOError as error:  # it is reached and says nothing, as a driver does that is cut off for a while
            raise LostDriver(f"the driver does not answer yet: {error}") from error
        except (AuthenticationError, EOFError, OSError) as error:
            raise ConnectionError(f"{host}:{port} is no control server of this run: {error}") from error

    def post(self, key: str, message: Any) -> None:
        self._ask("post", key, message)

    def look(self, key: str) -> Any:
        """The message under ``key``, or None while there is none."""
        return self._ask("look", key)

    def wait(self, key: str, *, signs: str = "") -> Any:
        """The message under ``key``; a BrokenGroup when it does not come within this client's patience.

        It is as patient again where the counter ``signs`` has grown meanwhile.
        """
        deadline, seen = time.monotonic() + self._patience_s, self.look(signs)
        while not (found := self._ask("wait", key, TURN_S)):
            if time.monotonic() > deadline:
                before, seen = seen, self.look(signs)
                if seen == before:
                    raise BrokenGroup(f"waited in vain for the others ({key}), for {self._patience_s:g} s")
                deadline = time.monotonic() + self._patience_s
            time.sleep(PAUSE_S)
        return found[0]

    def count(self, key: str) -> int:
        """Add one to a counter and return how many came before."""
        return int(self._ask("count", key))

    def tell(self, queue: str, message: Any) -> bool:
        """Add a message to a queue, unless too many wait there; whether it was added."""
        return bool(self._ask("tell", queue, message))

    def sub(self, prefix: str) -> Store:
        """A store under a prefix, for a process group to meet in."""
        return _Meeting(self, prefix)

    def _ask(self, *question: Any) -> Any:
        try:
            with self._one_at_a_time:
                self._connection.send_bytes(json.dumps(question).encode())
                return json.loads(self._connection.recv_bytes())
        except (EOFError, OSError) as error:
            self._connection.close()  # an answer that comes late would be taken for the next question's
            raise LostDriver(f"the driver does not answer any more: {error or 'it has left'}") from error


class _Meeting(Store):
    """What a process group needs of a store to tell the others its addresses."""

    def __init__(self, client: ControlClient, prefix: str) -> None:
        super().__init__()
        self._client, self._prefix = client, prefix

    def set(self, key: str, value: bytes) -> None:  # type: ignore[override]
        self._client.post(f"{self._prefix}/{key}", base64.b64encode(value).decode())

    def get(self, key: str) -> bytes:
        return base64.b64decode(self._client.wait(f"{self._prefix}/{key}"))

    def wait(self, keys: list[str], timeout: timedelta | None = None) -> None:
        for key in keys:
            self._client.wait(f"{self._prefix}/{key}")


def bare(host: str) -> str:
    """An address as sockets take it: Spark writes those of IPv6 in brackets."""
    return host.removeprefix("[").removesuffix("]")


def _family(host: str, port: int) -> socket.AddressFamily:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]


def _connected(host: str, port: int) -> socket.socket:
    try:
        server = socket.create_connection((host, port), timeout=CONNECT_S)
    except OSError as error:
        raise ConnectionError(
            f"workers must reach the driver, which listens on {host}:{port} (spark.driver.host, spark.dlcore.port), but "
            f"{platform.node()} does not: {error}"
        ) from error
    server.settimeout(None)
    server.setsockopt(
        socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
    )  # else two messages in turn wait for the other side's delayed acknowledgement
    return server


def _silent_for(peer: socket.socket, seconds: float) -> None:
    """How long reading from a peer waits for it to say something; zero is for ever."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", int(seconds), int(seconds % 1 * 1e6)))
