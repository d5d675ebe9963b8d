"""Where HBase's Thrift servers are, and one client's way to them, which waits out an outage.

The address is a small value that travels to executors. A client makes each call again until it is answered or patience ends.
"""

import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import happybase
from Hbase_thrift import IllegalArgument  # happybase makes this module when it is imported
from Hbase_thrift import IOError as ServerError
from thriftpy2.transport import TTransportException

T = TypeVar("T")
OUTAGES = (OSError, EOFError, TTransportException, ServerError)
PERMANENT = ("TableNotFoundException", "TableNotEnabledException", "NoSuchColumnFamilyException", "AccessDenied")
PAUSE_S = 0.5
NOT_YET = {
    "tls": "TLS to the Thrift servers is not supported yet",
    "kerberos": "Kerberos (SASL) to the Thrift servers is not supported yet",
}


@dataclass(frozen=True, kw_only=True)
class Address:
    """Thrift servers as ``host:port``, several being one a region server, and how long each call and an outage may take."""

    hosts: tuple[str, ...]
    timeout_s: float = 60.0
    patience_s: float = 120.0
    tls: bool = False
    kerberos: bool = False

    def __post_init__(self) -> None:
        for name, sentence in NOT_YET.items():
            if getattr(self, name):
                raise ValueError(
                    f"{sentence}; leave `hbase_{name}` off and reach them through a network that you trust"
                )
        if not self.hosts:
            raise ValueError("HBase needs at least one Thrift server as host:port, got none")
        for host in self.hosts:
            split(host)

    def nearest(self, server: str, key: bytes) -> int:
        """Which of the hosts is to serve a region: the one on its server, else one that the region's first key chooses."""
        for number, host in enumerate(self.hosts):
            if split(host)[0] == server:
                return number
        return zlib.crc32(key) % len(self.hosts)

    def connect(self, host: int = 0) -> happybase.Connection:
        """A connection to one of the hosts, counted round from the first."""
        name, port = split(self.hosts[host % len(self.hosts)])
        return happybase.Connection(name, port, timeout=int(self.timeout_s * 1000))


def split(host: str) -> tuple[str, int]:
    """The name and the port of ``host:port``."""
    name, colon, port = host.rpartition(":")
    if not colon or not name or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"a Thrift server must be given as host:port, got {host!r}; the usual port is 9090")
    return name, int(port)


class Unavailable(ConnectionError):
    """HBase was away for longer than a client's patience."""


class Refused(ValueError):
    """HBase understood the call and will not do it, now or later."""


class Rejected(Refused):
    """Something in the call itself is wrong, such as a value that is too large; another call may do."""


class Client:
    """A connection that is made at the first call, and anew, at the next Thrift server, after each one that failed."""

    def __init__(self, address: Address, host: int = 0) -> None:
        self._address = address
        self._host = host
        self._connection: happybase.Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._connection is not None:
            with suppress(*OUTAGES):
                self._connection.close()
        self._connection = None

    def call(self, ask: Callable[[Any], T]) -> T:
        """What ``ask`` gets from the Thrift client; it must be right to ask again, since an answer can be lost on its way."""
        deadline = None
        while True:
            try:
                return ask(self._client())
            except OUTAGES as error:
                self._refuse(error)
                deadline = deadline or time.monotonic() + self._address.patience_s
                self._again(error, deadline)
            except IllegalArgument as error:
                raise Rejected(f"HBase refused: {message(error)}") from error

    def _client(self) -> Any:
        if self._connection is None:
            self._connection = self._address.connect(self._host)
        return self._connection.client

    def _refuse(self, error: Exception) -> None:
        """Raise what no patience mends."""
        if isinstance(error, ServerError) and any(name in message(error) for name in PERMANENT):
            raise Refused(f"HBase refused: {message(error)}") from error

    def _again(self, error: Exception, deadline: float) -> None:
        """Leave the broken connection and wait a little, or give up with what broke it."""
        self.close()
        if time.monotonic() > deadline:
            raise Unavailable(
                f"HBase at {', '.join(self._address.hosts)} did not answer for {self._address.patience_s:.0f} s: "
                f"{type(error).__name__}: {message(error)}"
            ) from error
        self._host += 1
        time.sleep(PAUSE_S)


def message(error: Exception) -> str:
    """The first line of what a server or a socket said."""
    said = getattr(error, "message", None) or error
    text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
    return text.partition("\n")[0]
