"""Training on several hosts, whose links are cut: ``python -m tests.bench.cluster.hosts``, as root on Linux.

Each host is a network namespace with an address of its own in 10.77.0.0/24, joined by a bridge in one more, so that this machine gets
neither address nor route; disks are shared. A standalone master, two workers and the driver have a host each. Every point of
`tests/faults/points.py` must hold; then a worker's link and the driver's are cut in mid-run, for longer than a training has patience,
and mended, and the end must be that of a run that nothing happens to, bit for bit.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyspark

from tests.faults.test_kills import PROGRAM, REPOSITORY, running
from tests.remote import running as service

SPARK = Path(pyspark.__file__).parent
HOSTS = ("master", "one", "two", "driver")
SWITCH = "emberline-switch"
PORT = 7077
CUT_S = 30.0
"""Longer than the patience of 10 s and the graces after it."""
SETTINGS = (
    *("training.patience_s=10", "training.retries=10", "training.slots_wait_s=300"),
    *("spark.network.timeout=40s", "spark.network.timeoutInterval=2s", "spark.executor.heartbeatInterval=2s"),
)


def address(host: str) -> str:
    return f"10.77.0.{HOSTS.index(host) + 1}"


def space(host: str) -> str:
    return f"emberline-{host}"


def link(host: str) -> str:
    """The host's port at the bridge."""
    return f"to-{host}"


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


@contextmanager
def hosts() -> Iterator[None]:
    """The namespaces, for as long as the body runs."""
    with ExitStack() as ends:

        def made(name: str) -> None:
            ip("netns", "add", name)
            ends.callback(ip, "netns", "del", name)

        made(SWITCH)
        ip("-n", SWITCH, "link", "add", "bridge", "type", "bridge")
        ip("-n", SWITCH, "link", "set", "bridge", "up")
        for host in HOSTS:
            made(space(host))
            ip("-n", SWITCH, "link", "add", link(host), "type", "veth", "peer", "name", "eth0", "netns", space(host))
            ip("-n", SWITCH, "link", "set", link(host), "master", "bridge", "up")
            ip("-n", space(host), "link", "set", "lo", "up")  # Spark's JVMs talk with their Python on loopback
            ip("-n", space(host), "addr", "add", f"{address(host)}/24", "dev", "eth0")
            ip("-n", space(host), "link", "set", "eth0", "up")
        yield


def on(host: str, *command: str) -> list[str]:
    """The command as it is run on a host, or the beginning of one."""
    environment = {
        "SPARK_LOCAL_IP": address(host),
        "SPARK_PUBLIC_DNS": address(host),
        "SPARK_HOME": str(SPARK),
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_DAEMON_JAVA_OPTS": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": str(REPOSITORY),
    }
    given = [f"{name}={value}" for name, value in environment.items()]
    return ["ip", "netns", "exec", space(host), "env", *given, *command]


@contextmanager
def cluster(home: Path) -> Iterator[str]:
    """The address of a master with two workers of one core, each on its host."""
    spark, deploy = str(SPARK / "bin/spark-class"), "org.apache.spark.deploy"
    where = f"spark://{address('master')}:{PORT}"
    with ExitStack() as ends:

        def start(host: str, kind: str, *arguments: str, ready: str) -> None:
            command = on(host, spark, f"{deploy}.{kind}", "--host", address(host), *arguments)
            ends.enter_context(service(command, home / f"{host}.log", ready))

        start("master", "master.Master", "--port", str(PORT), ready="I have been elected leader")
        for host in ("one", "two"):
            size = ("--cores", "1", "--memory", "1g", "--work-dir", str(home / host))
            start(host, "worker.Worker", *size, where, ready="Successfully registered with master")
        yield where


def cut(host: str) -> None:
    """Pull the host's cable, and put it back."""
    ip("-n", SWITCH, "link", "set", link(host), "down")
    time.sleep(CUT_S)
    ip("-n", SWITCH, "link", "set", link(host), "up")


def suffered(master: str, folder: Path, host: str | None) -> str:
    """The weights of a run, with a host's link cut in its midst."""
    with running(master, str(folder), "40", *SETTINGS, before=on("driver")) as run:
        run.until("step", step=100)
        began = time.monotonic()
        if host is not None:
            cut(host)
        end = run.until("weights")
    again = sum(line.startswith("group from step") for line in run.lines)
    print(f"link cut: {host}; {end} after {time.monotonic() - began:.0f} s, {again} groups ran again", flush=True)
    return end


def main() -> None:
    if os.geteuid() or not shutil.which("ip"):
        print("no several hosts: network namespaces need root and iproute2; left out")
        return
    with tempfile.TemporaryDirectory() as folder, hosts(), cluster(Path(folder)) as master:
        points = PROGRAM.with_name("points.py")
        with running(master, f"{folder}/points", program=points, before=on("driver")) as run:
            print(f"{run.until('every point holds')} on several hosts", flush=True)
        ends = {suffered(master, Path(folder) / str(host), host) for host in (None, "one", "driver")}
    if len(ends) > 1:
        raise SystemExit("the runs ended with different weights")


if __name__ == "__main__":
    main()
