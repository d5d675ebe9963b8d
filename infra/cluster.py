"""A Spark standalone cluster on this machine, a master and its workers: ``python -m infra.cluster --workers 2 --cores 1``.

It listens on one address, loopback unless another is given, and ends whole when it is interrupted or terminated. A session
uses it by the master address that is printed once every worker has registered.
"""

import argparse
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import httpx
import psutil

from infra import settings as platform
from infra import spark as engine
from infra.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """``workers`` workers of ``cores`` cores each, each with ``memory`` for its executors; their files are below the state folder.

    The master listens on ``host``, and so do the workers, unless ``addresses`` are given, which they take in turn: Spark tells hosts
    apart by them, and runs a copy of a late task on another host only.
    """

    settings: Settings
    workers: int = 2
    cores: int = 1
    memory: str = "2g"
    host: str = "127.0.0.1"
    addresses: Sequence[str] = ()
    patience_s: float = 120.0

    @contextmanager
    def running(self) -> Iterator[str]:
        """The master's address, while the cluster runs; every process of it has ended afterwards."""
        master, page = free_ports(self.host, 2)
        address = f"spark://{self.host}:{master}"
        started = [self._start("master.Master", self.host, "--port", str(master), "--webui-port", str(page))]
        try:
            for number in range(self.workers):
                started.append(self._worker(number, address))
            self._await(started, f"http://{self.host}:{page}/json/")
            yield address
        finally:
            _end(started)

    def _worker(self, number: int, address: str) -> subprocess.Popen[bytes]:
        hosts = self.addresses or [self.host]
        folder = self.settings.state / "spark" / f"worker-{number}"
        size = ["--cores", str(self.cores), "--memory", self.memory]
        arguments = [*size, "--webui-port", "0", "--work-dir", str(folder), address]
        return self._start("worker.Worker", hosts[number % len(hosts)], *arguments)

    def _start(self, kind: str, host: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = ["spark-class", f"org.apache.spark.deploy.{kind}", "--host", host, *arguments]
        environment = os.environ | engine.configure(self.settings) | {"SPARK_DAEMON_MEMORY": "256m"}
        environment["SPARK_DAEMON_JAVA_OPTS"] = " ".join(engine.java_options(self.settings))
        environment["SPARK_PUBLIC_DNS"] = host
        log = self.settings.state / "logs" / f"{kind.partition('.')[0]}.log"
        with log.open("ab") as opened:
            return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=opened, stderr=opened)

    def _await(self, started: list[subprocess.Popen[bytes]], page: str) -> None:
        """Wait until the master counts every worker, or raise with where to look."""
        deadline = time.monotonic() + self.patience_s
        while _registered(page) < self.workers:
            if time.monotonic() > deadline or any(process.poll() is not None for process in started):
                raise RuntimeError(
                    f"the cluster of {self.workers} workers did not start; see {self.settings.state / 'logs'}"
                )
            time.sleep(0.2)


def free_ports(host: str, count: int) -> list[int]:
    """So many different ports that are free now."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server((host, 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


def _registered(page: str) -> int:
    try:
        return int(httpx.get(page).json()["aliveworkers"])
    except (httpx.TransportError, ValueError):
        return 0  # the master's page is not there yet, or not yet as JSON


def _end(started: list[subprocess.Popen[bytes]]) -> None:
    """End the processes and all below them: an executor is a worker's child, its Python workers are the executor's."""
    tree = [psutil.Process(process.pid) for process in started if process.poll() is None]
    tree += [child for process in tree for child in process.children(recursive=True)]
    for process in tree:
        process.terminate()
    _, stubborn = psutil.wait_procs(tree, timeout=20)
    for process in stubborn:
        process.kill()
    for child in started:
        child.wait()


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="infra.cluster", description="Run a Spark standalone cluster on this machine."
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cores", type=int, default=1, help="cores of each worker")
    parser.add_argument("--memory", default="2g", help="memory of each worker")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="override a setting")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    size = {"workers": given.workers, "cores": given.cores, "memory": given.memory, "host": given.host}
    try:
        with Cluster(settings=platform.load(given.set), **size).running() as address:
            print(address, flush=True)
            signal.pause()
    except KeyboardInterrupt:
        print("the cluster is stopped")


if __name__ == "__main__":
    main()
