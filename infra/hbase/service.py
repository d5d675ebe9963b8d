"""The embedded HBase's life: one process of HBase and its Thrift server, started, waited for, found again, ended whole."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from infra import processes
from infra.hbase import site
from infra.hbase.client import OUTAGES, Address
from infra.hbase.regions import require
from infra.settings import Settings
from infra.setup import jars
from infra.setup.jars import Jars
from infra.setup.provisions import cache_folder

PROGRAMS = {"hbase": (site.MASTER, "start"), "hbase-thrift": (site.THRIFT, "start")}


ATTEMPTS = 3
TAKEN = ("Address already in use", "Could not start ZK at requested port", "Could not create ServerSocket")


class PortTaken(RuntimeError):
    """One of HBase's ports was taken by another process between its choice and its use."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """HBase on local files below ``<state>/hbase``, which outlive the processes however those end."""

    settings: Settings
    cache: Path = field(default_factory=cache_folder)
    patience_s: float = 120.0

    @property
    def home(self) -> Path:
        return self.settings.state / "hbase"

    @property
    def address(self) -> Address:
        """Where the running HBase is; the same after each start, as long as nobody else has taken the port."""
        if not self.running():
            raise RuntimeError(f"no HBase runs on {self.home}; start it with: python -m infra.hbase start")
        return self._address

    def running(self) -> bool:
        """Whether both processes live."""
        return len(self._living()) == len(PROGRAMS)

    def pids(self) -> list[int]:
        """The process ids of those that live."""
        return list(self._living().values())

    def start(self) -> Address:
        """Start what does not run yet, and wait until a Thrift call is answered; what a kill left over is ended first."""
        with self._turn():
            if not self.running():
                self._end()
                self._start(ATTEMPTS)
            return self._address

    def stop(self) -> bool:
        """End both processes, the Thrift server first; say whether there was one."""
        if not self.home.exists():
            return False
        with self._turn():
            return self._end()

    def create(self, table: str, families: tuple[str, ...], regions: int) -> None:
        """Create a table, unless it is there, whose regions part the keys by their first hex digits, as Thrift 1 cannot."""
        address = self.address
        if table.encode() in _tables(address):
            return require(address, table, families)
        command = self._command(site.SPLITTER, table, "HexStringSplit", "-c", str(regions), "-f", ":".join(families))
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        if said.returncode or table.encode() not in _tables(address):
            raise RuntimeError(f"HBase's RegionSplitter could not create table {table!r}:\n{said.stderr[-2000:]}")
        return None

    @property
    def _note(self) -> Path:
        return self.home / "service.json"

    @property
    def _address(self) -> Address:
        return Address(hosts=(f"{site.HOST}:{self._ports()['thrift']}",), patience_s=self.patience_s)

    def _log(self, name: str) -> Path:
        return self.settings.state / "logs" / f"{name}.log"

    def _living(self) -> dict[str, int]:
        """The process ids of those that live, by name."""
        if not self._note.exists():
            return {}
        noted = json.loads(self._note.read_text())
        return {name: one["pid"] for name, one in noted.items() if _lives(one["pid"], one["born"])}

    def _end(self) -> bool:
        living = self._living()
        for name in reversed(PROGRAMS):
            if name in living:
                processes.end(living[name])
        self._note.unlink(missing_ok=True)
        return bool(living)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Start and stop one after the other, whoever calls them."""
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _ports(self) -> dict[str, int]:
        return dict(json.loads((self.home / "ports.json").read_text()))

    def _configure(self) -> None:
        """Write the configuration, with the ports of the last start if they are free: readers come back to them."""
        for folder in (self.home / "scratch", self._log("hbase").parent):
            folder.mkdir(parents=True, exist_ok=True)
        # It holds who is alive: after a kill, servers that are not, for as long as a session lasts. Tables are in ``data``.
        shutil.rmtree(self.home / "zookeeper", ignore_errors=True)
        ports = self.home / "ports.json"
        if not ports.exists() or not self._free_again():
            ports.write_text(json.dumps(dict(zip(site.PORTS, site.free_ports(len(site.PORTS)), strict=True))))
        site.write(self.home / "conf", site.properties(self.home, self._ports()))

    def _start(self, attempts: int) -> None:
        """Start both processes, again at other ports where somebody took one since it was found free."""
        self._configure()
        try:
            self._launch_all()
            self._wait()
        except BaseException as error:
            self._end()
            if not isinstance(error, PortTaken) or attempts == 1:
                raise
            (self.home / "ports.json").unlink()
            self._start(attempts - 1)

    def _free_again(self) -> bool:
        """Whether the ports of the last start are free; a process that was killed holds them a moment longer than it lives."""
        deadline = time.monotonic() + 5.0
        while not (all_free := all(map(site.free, self._ports().values()))) and time.monotonic() < deadline:
            time.sleep(0.1)
        return all_free

    def _command(self, program: str, *arguments: str) -> list[str]:
        folder = Jars(cache=self.cache).folder
        if not folder.exists():
            raise FileNotFoundError(f"HBase's jars are not at {folder}; fetch them with: python -m infra.setup.jars")
        places = {"conf": self.home / "conf", "jars": folder, "scratch": self.home / "scratch"}
        return site.command(jars.java(Path(sys.prefix)), program, *arguments, **places)

    def _launch_all(self) -> None:
        """Start every program, each noted before the next begins."""
        noted = {}
        for name in PROGRAMS:
            noted[name] = self._launch(name)
            self._note.write_text(json.dumps(noted))

    def _launch(self, name: str) -> dict[str, float]:
        """Start one program in a session of its own, and note which process it is."""
        command = self._command(*PROGRAMS[name])
        files = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(self._log(name)), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        heeded = [signal.SIGINT]  # which a shell's job in the background would ignore, and so all that it starts
        environment = {
            name: value for name, value in os.environ.items() if name != "EMBERLINE_RUN"
        }  # it outlives the run
        pid = os.posix_spawn(command[0], command, environment, file_actions=files, setsid=True, setsigdef=heeded)
        return {"pid": pid, "born": psutil.Process(pid).create_time()}

    def _wait(self) -> None:
        deadline = time.monotonic() + self.patience_s
        while not answers(self._address):
            if not self.running() or time.monotonic() > deadline:
                dead = [name for name in PROGRAMS if name not in self._living()]
                how = f"{dead[0]} ended" if dead else f"no Thrift call was answered within {self.patience_s:.0f} s"
                log = self._log(dead[0] if dead else "hbase")
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-40:])
                kind = PortTaken if dead and any(sign in tail for sign in TAKEN) else RuntimeError
                raise kind(f"HBase did not start: {how}; the end of {log}:\n{tail}")
            time.sleep(0.2)


def reached(settings: Settings) -> Address:
    """Where HBase is by the settings; the embedded one is started where it does not run."""
    if not settings.hbase_thrift:
        return Service(settings=settings).start()
    return Address(
        hosts=tuple(settings.hbase_thrift.split(",")), tls=settings.hbase_tls, kerberos=settings.hbase_kerberos
    )


def opened(settings: Settings, table: str, families: tuple[str, ...], *, regions: int) -> Address:
    """Where HBase is, with a table of these families; a cluster's own table must be there, the embedded one's is made."""
    address = reached(settings)
    if settings.hbase_thrift:
        require(address, table, families)
    else:
        Service(settings=settings).create(table, families, regions)
    return address


def answers(address: Address) -> bool:
    """Whether HBase behind the Thrift server lists its tables."""
    try:
        _tables(Address(hosts=address.hosts, timeout_s=10.0))
    except OUTAGES:
        return False
    return True


def _tables(address: Address) -> list[bytes]:
    with closing(address.connect()) as connection:
        return list(connection.tables())


def _lives(pid: int, born: float) -> bool:
    try:
        process = psutil.Process(pid)
        return process.create_time() == born and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
