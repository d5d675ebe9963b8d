"""What a training promises, on YARN with HDFS as its default file system: ``python -m tests.bench.cluster.yarn [client] [cluster]``.

A NameNode, a DataNode, a ResourceManager and a NodeManager run on loopback; `tests/faults/points.py` is submitted in each deploy
mode, with its run folders on ``hdfs:///``.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyspark

from infra.setup.jars import HADOOP, YARN, Jars
from infra.setup.provisions import cache_folder
from tests.remote import HOST, configure, free_ports, hadoop, hdfs_below, libraries, running

ROOT, HOME = Path(__file__).parents[3], Path(pyspark.__file__).parent
PROGRAM = ROOT / "tests/faults/points.py"
SMALL = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
MEMORY = {
    "spark.driver.memory": "768m",
    "spark.executor.memory": "768m",
    "spark.executor.memoryOverhead": "512m",
    "spark.driver.memoryOverhead": "512m",
    "spark.yarn.am.memory": "256m",
    "spark.yarn.am.memoryOverhead": "128m",
}


@contextmanager
def yarn_below(home: Path, file_system: str, *, before: Sequence[str] = ()) -> Iterator[Path]:
    """The configuration folder of a ResourceManager with one NodeManager, with their files below ``home``.

    The node is started by the command ``before``.
    """
    resources, scheduler, tracker, admin, page, node, localizer, node_page = free_ports(8)
    manager, nodes = "yarn.resourcemanager", "yarn.nodemanager"
    addresses = {
        f"{manager}.address": resources,
        f"{manager}.scheduler.address": scheduler,
        f"{manager}.resource-tracker.address": tracker,
        f"{manager}.admin.address": admin,
        f"{manager}.webapp.address": page,
        f"{nodes}.address": node,
        f"{nodes}.localizer.address": localizer,
        f"{nodes}.webapp.address": node_page,
    }
    limits = {
        f"{nodes}.local-dirs": home / "local",
        f"{nodes}.log-dirs": home / "logs",
        f"{nodes}.resource.memory-mb": 6144,
        f"{nodes}.resource.cpu-vcores": 8,
        f"{nodes}.pmem-check-enabled": "false",
        f"{nodes}.vmem-check-enabled": "false",
        f"{nodes}.disk-health-checker.max-disk-utilization-per-disk-percentage": 99.5,
        "yarn.scheduler.minimum-allocation-mb": 128,
    }
    queues = {"root.queues": "default", "root.default.capacity": 100, "maximum-am-resource-percent": 1}
    configure(
        home,
        core={"fs.defaultFS": file_system, "hadoop.tmp.dir": home / "tmp"},
        yarn={f"{manager}.hostname": HOST, f"{nodes}.hostname": HOST}
        | {name: f"{HOST}:{port}" for name, port in addresses.items()}
        | limits,
        capacity_scheduler={f"yarn.scheduler.capacity.{name}": value for name, value in queues.items()},
    )
    own = home / "jars"  # which a node has that sees none of this environment
    own.mkdir()
    run, server = (
        hadoop(home, [Path(shutil.copy(jar, own)) for jar in libraries(YARN)]),
        "org.apache.hadoop.yarn.server",
    )
    node_manager = [*before, *run, f"{server}.nodemanager.NodeManager"]
    with (
        running(
            [*run, f"{server}.resourcemanager.ResourceManager"], home / "resources.log", "Transitioned to active state"
        ),
        running(node_manager, home / "node.log", "Registered with ResourceManager as"),
    ):
        yield home


def absent() -> str:
    """Why there is no YARN on this machine; empty where there is."""
    missing = [kind.name for kind in (HADOOP, YARN) if not Jars(cache=cache_folder(), kind=kind).present()]
    if not missing:
        return ""
    return f"no YARN: its jars are not there; python -m infra.setup.jars {missing[0]} brings the first that lacks"


def submitting(conf: Mapping[str, str], *arguments: str) -> list[str]:
    """The command that submits to YARN."""
    given = [word for name, value in conf.items() for word in ("--conf", f"{name}={value}")]
    return [str(HOME / "bin/spark-submit"), "--master", "yarn", *given, *arguments]


def client(configuration: Path) -> dict[str, str]:
    """The environment of a process that submits."""
    own = {"SPARK_HOME": str(HOME), "SPARK_LOCAL_IP": HOST, "PYTHONPATH": str(ROOT)}
    return os.environ | own | {"HADOOP_CONF_DIR": str(configuration)}


def submitted(mode: str, configuration: Path) -> float:
    """How long the program took; its output is shown, and what does not hold raises."""
    environment = {"PYTHONPATH": str(ROOT), "SPARK_LOCAL_IP": HOST, "PYSPARK_PYTHON": sys.executable}
    conf = MEMORY | {
        "spark.yarn.jars": f"local:{HOME}/jars/*",
        "spark.executor.instances": "2",
        "spark.executor.cores": "1",
        "spark.pyspark.python": sys.executable,
        "spark.ui.enabled": "false",
        **{f"spark.{kind}.extraJavaOptions": SMALL for kind in ("driver", "executor", "yarn.am")},
        **{f"spark.executorEnv.{name}": value for name, value in environment.items()},
        **{f"spark.yarn.appMasterEnv.{name}": value for name, value in environment.items()},
    }
    command = submitting(conf, "--deploy-mode", mode, str(PROGRAM), "yarn", f"hdfs:///points/{mode}")
    began = time.monotonic()
    subprocess.run(command, env=client(configuration), check=True)
    return time.monotonic() - began


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("modes", nargs="*", help="client, cluster; both unless given")
    given = arguments.parse_args()
    if reason := absent():
        print(reason)
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        hdfs_below(Path(folder) / "hdfs") as address,
        yarn_below(Path(folder) / "yarn", f"hdfs://{address}") as configuration,
    ):
        for mode in given.modes or ("client", "cluster"):
            print(
                f"{mode} mode: every point holds, after {submitted(mode, configuration):.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
