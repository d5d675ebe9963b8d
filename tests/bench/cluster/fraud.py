"""The fraud application, small, on YARN with nothing of ours on its node: ``python -m tests.bench.cluster.fraud``.

Landing files and tables are on HDFS, the default file system, and the tables in a Hive metastore service; executors come on demand.
Spark's jars and Python itself, with its packages, travel as archives from HDFS; as root, the node cannot see this machine's.
It submits the steps of a day and of a training on it, from ``ingest`` to ``report``, or those that are named.
"""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.settings import load
from infra.setup.jars import java
from tests.bench.cluster.archives import GPU, ROOT, pack_python, pack_spark
from tests.bench.cluster.yarn import MEMORY, absent, client, submitting, yarn_below
from tests.remote import hadoop, hdfs_below
from tests.services import DAY, sample

RUN = "yarn"
STEPS = (
    *("ingest", "engineer", "pin", "split", "train", "baselines"),
    *("evaluate", "quantise", "publish", "score", "report"),
)
PARAMETERS = {"first_date": DAY, "last_date": DAY, "members": 1, "epochs": 1, "workers": 2}
CONF = (
    MEMORY
    | {
        "spark.yarn.archive": "hdfs:///archives/spark.zip",
        "spark.yarn.dist.archives": "hdfs:///archives/environment.tar#environment",
        "spark.pyspark.python": "./environment/bin/python3",
        "spark.pyspark.driver.python": sys.executable,
        "spark.executorEnv.LD_LIBRARY_PATH": "./environment/lib",  # else Python finds the library of the node's own, of another version
        "spark.dynamicAllocation.enabled": "true",
        "spark.dynamicAllocation.shuffleTracking.enabled": "true",
        "spark.dynamicAllocation.maxExecutors": "2",
        "spark.executor.cores": "1",
    }
)


def bare(gpu: Path) -> list[str]:
    """The beginning of the node's command, and NVIDIA's libraries as ``gpu``.

    As root, the node and all that it starts see empty folders in place of this checkout and this Python, unless Java is in one of them.
    """
    own = [ROOT, Path(sys.prefix).resolve(), Path(sys.base_prefix)]
    if os.geteuid() or any(Path(java(Path(sys.prefix))).is_relative_to(folder) for folder in own):
        print("not hidden from the node: this checkout and its Python, which takes root and a Java of the machine's")
        gpu.symlink_to(GPU)
        return []
    gpu.mkdir()
    mounts = [f"mount --bind {shlex.quote(str(GPU))} {shlex.quote(str(gpu))}"] if GPU.exists() else []
    mounts += [f"mount -t tmpfs none {shlex.quote(str(folder))}" for folder in own]
    return ["unshare", "--mount", "sh", "-ec", "; ".join([*mounts, 'exec "$@"']), "sh"]


def laid_out(folder: Path, configuration: Path, gpu: Path) -> None:
    """Put a day of transactions and the archives on HDFS."""
    day, archives = folder / "landing" / "fraud" / f"ds={DAY}", folder / "archives"
    for each in (day, archives):
        each.mkdir(parents=True)
    (day / "transactions.csv").write_text("".join(sample(Path(load().landing))))
    pack_spark(archives / "spark.zip")
    pack_python(archives / "environment.tar", gpu)
    put = [*hadoop(configuration), "org.apache.hadoop.fs.FsShell", "-put", "-d"]
    subprocess.run([*put, str(folder / "landing"), str(archives), "hdfs:///"], check=True)
    shutil.rmtree(folder)


@contextmanager
def metastore(environment: dict[str, str]) -> Iterator[str]:
    """The address of a Hive metastore service."""
    command = [sys.executable, "-m", "infra.metastore", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as service:
        assert service.stdout is not None
        try:
            yield service.stdout.readline().strip()
        finally:
            service.terminate()


def submitted(step: str, environment: dict[str, str]) -> None:
    """Submit a step as its DAG does, and say what it did and how long that took."""
    what = ["fraud", step, "--run", RUN, "--ds", DAY, "--params", json.dumps(PARAMETERS)]
    command = submitting(CONF, str(ROOT / "apps/__main__.py"), *what)
    began = time.monotonic()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{step} ended with {done.returncode}:\n{done.stdout[-8000:]}\n{done.stderr[-8000:]}")
    (left,) = Path(environment["EMBERLINE_STATE"]).glob(f"runs/fraud/{RUN}/outcomes/{step}*.json")
    print(f"{step}, {time.monotonic() - began:.0f} s: {json.loads(left.read_text())['summary']}", flush=True)


def main(*steps: str) -> None:
    if reason := absent():
        print(reason)
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        hdfs_below(Path(folder) / "hdfs") as address,
        yarn_below(
            Path(folder) / "yarn", f"hdfs://{address}", before=bare(gpu := Path(folder) / "nvidia")
        ) as configuration,
    ):
        laid_out(Path(folder) / "files", configuration, gpu)
        environment = client(configuration) | {
            "EMBERLINE_STATE": f"{folder}/state",
            "EMBERLINE_LANDING": "hdfs:///landing",
            "EMBERLINE_WAREHOUSE": "hdfs:///warehouse",
        }
        with metastore(environment) as tables:
            for step in steps or STEPS:
                submitted(step, environment | {"EMBERLINE_METASTORE": tables})


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("steps", nargs="*")
    main(*arguments.parse_args().steps)
