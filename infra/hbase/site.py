"""How HBase in one process is configured: its files, its ports, and everything on loopback alone."""

import random
import socket
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from xml.sax.saxutils import escape

HOST = "127.0.0.1"
LISTENED = range(20_000, 32_000)  # below what Linux gives to connections, from 32,768 on
PORTS = ("zookeeper", "master", "regionserver", "thrift")
OPENED = (
    *("java.lang", "java.lang.reflect", "java.io", "java.nio", "java.util", "java.util.concurrent"),
    *("java.util.concurrent.atomic", "sun.nio.ch", "jdk.internal.ref", "jdk.internal.misc"),
)
EXPORTED = ("jdk.internal.misc", "sun.net.dns", "sun.net.util")
MASTER = "org.apache.hadoop.hbase.master.HMaster"
THRIFT = "org.apache.hadoop.hbase.thrift.ThriftServer"
SPLITTER = "org.apache.hadoop.hbase.util.RegionSplitter"
HEAPS = {MASTER: "2g", THRIFT: "512m", SPLITTER: "256m"}
LOG4J = """\
log4j.rootLogger=WARN,stderr
log4j.logger.org.apache.hadoop.util.NativeCodeLoader=ERROR
log4j.appender.stderr=org.apache.log4j.ConsoleAppender
log4j.appender.stderr.target=System.err
log4j.appender.stderr.layout=org.apache.log4j.PatternLayout
log4j.appender.stderr.layout.ConversionPattern=%d{HH:mm:ss} %p %c{1}: %m%n
"""


def properties(home: Path, ports: Mapping[str, int]) -> dict[str, str]:
    """What ``hbase-site.xml`` says, with a port for each of ``PORTS``."""
    nowhere = dict.fromkeys((f"hbase.{part}.info.port" for part in ("master", "regionserver", "thrift")), "-1")
    return nowhere | {
        "hbase.rootdir": (home / "data").as_uri(),
        "hbase.tmp.dir": str(home / "scratch"),
        "hbase.cluster.distributed": "false",
        "hbase.wal.provider": "filesystem",
        # Hadoop's checksummed local files keep the last bytes of a log in the process, so that kill -9 would lose rows.
        "fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
        "hbase.unsafe.stream.capability.enforce": "false",
        # One region server is all there will be, and it is beside the master: no waiting for others, and quick reports.
        "hbase.master.wait.on.regionservers.mintostart": "1",
        "hbase.master.wait.on.regionservers.maxtostart": "1",
        "hbase.regionserver.msginterval": "300",
        # In one process all end together, so a machine that stalls for longer than the usual 10 s has lost nobody.
        "hbase.zookeeper.session.timeout.localHBaseCluster": "120000",
        "hbase.zookeeper.property.tickTime": "6000",
        "hbase.zookeeper.property.dataDir": str(home / "zookeeper"),
        "hbase.zookeeper.property.clientPort": str(ports["zookeeper"]),
        "hbase.zookeeper.property.clientPortAddress": HOST,
        "hbase.zookeeper.quorum": HOST,
        "hbase.master.port": str(ports["master"]),
        "hbase.regionserver.port": str(ports["regionserver"]),
        "hbase.master.ipc.address": HOST,
        "hbase.regionserver.ipc.address": HOST,
        "hbase.master.hostname": "localhost",
        "hbase.regionserver.hostname": "localhost",
        "hbase.regionserver.thrift.ipaddress": HOST,
        "hbase.regionserver.thrift.port": str(ports["thrift"]),
    }


def write(conf: Path, properties: Mapping[str, str]) -> None:
    """Lay out the configuration folder that stands first on the class path."""
    conf.mkdir(parents=True, exist_ok=True)
    lines = [
        f"<property><name>{name}</name><value>{escape(value)}</value></property>" for name, value in properties.items()
    ]
    (conf / "hbase-site.xml").write_text("\n".join(["<configuration>", *lines, "</configuration>", ""]))
    (conf / "log4j.properties").write_text(LOG4J)


def command(java: str, program: str, *arguments: str, conf: Path, jars: Path, scratch: Path) -> list[str]:
    """The command line of one of HBase's programs; no file of it lies outside ``scratch``."""
    opened = [part for package in OPENED for part in ("--add-opens", f"java.base/{package}=ALL-UNNAMED")]
    exported = [part for package in EXPORTED for part in ("--add-exports", f"java.base/{package}=ALL-UNNAMED")]
    options = [
        f"-Xmx{HEAPS[program]}",
        "-XX:+PerfDisableSharedMem",
        f"-Djava.io.tmpdir={scratch}",
        "-Dorg.apache.hbase.thirdparty.io.netty.tryReflectionSetAccessible=true",
    ]
    modules = ["--add-modules", "jdk.unsupported", *opened, *exported]
    return [java, *modules, *options, "-cp", f"{conf}:{jars}/*", program, *arguments]


def free(port: int) -> bool:
    """Whether nobody listens on a port."""
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((HOST, port))
        except OSError:
            return False
    return True


def free_ports(number: int) -> list[int]:
    """As many ports that nobody listens on, of those that no outgoing connection is given while HBase's JVM starts."""
    return list(islice(filter(free, random.sample(LISTENED, len(LISTENED))), number))
