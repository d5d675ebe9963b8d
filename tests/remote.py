"""File systems of other machines, for the test session: HDFS as a NameNode and a DataNode, and an S3 server, all on loopback."""

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyspark
import pytest
from moto.server import ThreadedMotoServer
from pyarrow.fs import S3FileSystem

from infra.setup.jars import HADOOP, Jars, Kind, java
from infra.setup.provisions import cache_folder

HOST = "127.0.0.1"
SMALL = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
BESIDE = "hadoop-client-api-*", "hadoop-client-runtime-*", "log4j-*", "slf4j-api-*", "jcl-over-slf4j-*"
"""PySpark's jars that the minicluster's jar lacks."""
LOG4J = """rootLogger.level = info
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %p %c{1}: %m%n%ex
"""


@pytest.fixture(scope="session")
def hdfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``host:port`` of a NameNode."""
    jars = Jars(cache=cache_folder(), kind=HADOOP)
    if not jars.present():
        pytest.skip(f"no HDFS: {jars.folder} is not there; `make extras` brings it, then these tests run")
    with hdfs_below(tmp_path_factory.mktemp("hdfs")) as address:
        yield address


@contextmanager
def hdfs_below(home: Path) -> Iterator[str]:
    """``host:port`` of a NameNode, which has a DataNode, with their files below ``home``."""
    name, web, *data = free_ports(5)
    configure(
        home,
        core={"fs.defaultFS": f"hdfs://{HOST}:{name}", "hadoop.tmp.dir": home},
        hdfs=site(home, name, web, data),
    )
    run = hadoop(home)
    node = "org.apache.hadoop.hdfs.server.namenode.NameNode"
    subprocess.run([*run, node, "-format", "-nonInteractive"], check=True, capture_output=True)
    with (
        running([*run, node], home / "name.log", f"IPC Server listener on {name}: starting"),
        running(
            [*run, "org.apache.hadoop.hdfs.server.datanode.DataNode"], home / "data.log", "Successfully sent block"
        ),
    ):
        yield f"{HOST}:{name}"


def configure(home: Path, **sites: Mapping[str, object]) -> None:
    """Write Hadoop's configuration files, each by its name, and a log to standard output."""
    home.mkdir(parents=True, exist_ok=True)
    for name, values in sites.items():
        (home / f"{name.replace('_', '-')}{'' if '_' in name else '-site'}.xml").write_text(xml(values))
    (home / "log4j2.properties").write_text(LOG4J)


def hadoop(home: Path, jars: Sequence[Path] = ()) -> list[str]:
    """The command that runs a class of Hadoop's by the configuration in ``home``."""
    return [java(Path(sys.prefix)), *SMALL, "-cp", ":".join(map(str, [home, *(jars or libraries())]))]


def libraries(*kinds: Kind) -> list[Path]:
    """Hadoop's jars, and those of further ``kinds``."""
    folders = [Jars(cache=cache_folder(), kind=kind).folder for kind in (HADOOP, *kinds)]
    beside = [jar for pattern in BESIDE for jar in (Path(pyspark.__file__).parent / "jars").glob(pattern)]
    return [*(jar for folder in folders for jar in folder.glob("*.jar")), *beside]


def site(home: Path, name: int, web: int, data: list[int]) -> dict[str, object]:
    ports = dict(zip(("address", "http.address", "ipc.address"), data, strict=True))
    return {
        "dfs.namenode.rpc-address": f"{HOST}:{name}",
        "dfs.namenode.http-address": f"{HOST}:{web}",
        "dfs.namenode.name.dir": (home / "name").as_uri(),
        "dfs.datanode.data.dir": (home / "data").as_uri(),
        "dfs.datanode.hostname": HOST,
        **{f"dfs.datanode.{kind}": f"{HOST}:{port}" for kind, port in ports.items()},
        "dfs.replication": 1,
    }


def xml(values: Mapping[str, object]) -> str:
    lines = (f"<property><name>{name}</name><value>{value}</value></property>" for name, value in values.items())
    return "<configuration>\n" + "\n".join(lines) + "\n</configuration>\n"


def free_ports(count: int) -> list[int]:
    opened = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in opened]
    for each in opened:
        each.close()
    return ports


@contextmanager
def running(command: list[str], log: Path, ready: str) -> Iterator[None]:
    """A process that has said it is ready."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 120
        while not re.search(ready, log.read_text(errors="replace")):
            assert process.poll() is None and time.monotonic() < deadline, (
                f"it did not start: {log.read_text()[-2000:]}"
            )
            time.sleep(0.1)
        yield
    finally:
        process.send_signal(signal.SIGKILL)  # its data are the test session's
        process.wait()


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """A bucket's URI with everything after ``?`` that its server needs; ``{}`` stands for a path in it."""
    server = ThreadedMotoServer(HOST, 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    there = {"endpoint_override": f"{host}:{port}", "scheme": "http", "region": "us-east-1"}
    S3FileSystem(access_key="me", secret_key="very-secret", allow_bucket_creation=True, **there).create_dir("bucket")
    yield f"s3://me:very-secret@bucket/{{}}?{'&'.join(f'{name}={value}' for name, value in there.items())}"
    server.stop()
