"""Sessions: UTC, one at a time on the embedded metastore, many on a metastore service; linear algebra on MKL."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import torch
from pyspark.sql import SparkSession

from infra import blas
from infra import spark as engine
from infra.airflow.service import REPOSITORY
from infra.settings import Settings

SECOND = """
import sys
from pathlib import Path
from infra import spark
from infra.settings import Settings
settings = Settings(
    state=Path(sys.argv[1]),
    spark_master="local[1]",
    driver_address="127.0.0.2",
    metastore=sys.argv[2],
    warehouse=sys.argv[3],
)
try:
    session = spark.session("second", settings, hive=True)
except RuntimeError as refused:
    raise SystemExit(f"{refused} (root cause kept: {refused.__cause__ is not None})")
if session.catalog.databaseExists("shared"):
    print("rows:", session.table("shared.rows").count(), "at", session.conf.get("spark.driver.host"))
else:
    session.sql("CREATE DATABASE shared")
    session.range(5).write.saveAsTable("shared.rows")
session.stop()
"""


def second(state: Path, *, metastore: str = "", warehouse: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Start a session in a process of its own."""
    arguments = [str(state), metastore, str(warehouse or state / "warehouse")]
    return subprocess.run(
        [sys.executable, "-c", SECOND, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=Path.cwd(),
    )


def test_session_runs_in_utc(spark: SparkSession) -> None:
    (row,) = spark.sql("SELECT timestamp_seconds(0) = TIMESTAMP '1970-01-01 00:00:00' AS same").collect()
    assert row["same"]
    assert spark.conf.get("spark.sql.session.timeZone") == "UTC"


def test_second_session_on_derby_is_told_what_to_do(spark: SparkSession, settings: Settings) -> None:
    refused = second(settings.state)
    assert refused.returncode == 1
    assert refused.stderr.rstrip().endswith(
        f"another session holds the embedded Hive metastore {settings.state / 'metastore'}, which serves one at a time; "
        "wait for that step or stop it, or set `metastore` to a metastore service, which serves many "
        "(root cause kept: True)"
    )


def test_blas_of_spark_and_torch_is_mkl_where_it_is_installed(spark: SparkSession) -> None:
    assert torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]
    if engine.mkl() is None:
        pytest.skip("the mkl package is not installed; with it, Spark ML must use it")
    assert blas.spark_ml(spark) == "JNIBLAS"
    assert "libmkl_rt" in blas.library(spark)
    assert blas.sentence(spark) == f"linear algebra: Spark ML by JNIBLAS on {engine.mkl()}; torch by MKL"
    assert blas.sentence(None) == "linear algebra: torch by MKL"


PLAIN = """
from infra import spark
from infra.settings import load
session = spark.session("plain", load(), hive=True)
session.sql("CREATE TABLE t (a INT) STORED AS PARQUET")
for name in ("spark.sql.warehouse.dir", "spark.sql.session.timeZone", "spark.sql.shuffle.partitions"):
    print(name, session.conf.get(name))
print(session.sql("DESCRIBE EXTENDED t").where("col_name = 'Location'").first()["data_type"])
"""


def test_settings_hold_under_a_spark_submit_that_knows_nothing_of_them(tmp_path: Path) -> None:
    """As under an Airflow of one's own, or by hand: what is submitted with it wins, and nothing is left in the working folder."""
    work, state = tmp_path / "work", tmp_path / "a state"
    work.mkdir()
    (tmp_path / "plain.py").write_text(PLAIN)
    command = ["spark-submit", "--master", "local[1]", "--conf", "spark.sql.shuffle.partitions=7"]
    done = subprocess.run(
        [*command, str(tmp_path / "plain.py")],
        cwd=work,
        env=without_ours(state),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == [
        f"spark.sql.warehouse.dir file:{state}/warehouse",
        "spark.sql.session.timeZone UTC",
        "spark.sql.shuffle.partitions 7",
        f"file:{state}/warehouse/t",
    ], done.stderr
    assert list(work.iterdir()) == []
    assert (state / "metastore").is_dir() and (state / "logs" / "derby.log").exists()


def without_ours(state: Path) -> dict[str, str]:
    """An environment that tells a process nothing of Spark, but where the state folder is."""
    ours = {name for name in os.environ if name.startswith(("SPARK_", "PYSPARK_", "EMBERLINE_"))}
    return {name: value for name, value in os.environ.items() if name not in ours} | {
        "EMBERLINE_STATE": str(state),
        "PYTHONPATH": str(REPOSITORY),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        **engine.java_home(),
    }


MARKED = """
import os
from infra import spark
from infra.settings import load
session = spark.session("marked", load())
print(session.sparkContext.parallelize([0], 1).map(lambda _: os.environ.get("MARK")).first())
"""


@pytest.mark.parametrize("by", ["PYSPARK_PYTHON", "SPARK_CONF_DIR"])
def test_the_python_that_is_given_for_executors_is_theirs_in_a_session_by_hand(tmp_path: Path, by: str) -> None:
    """As under spark-submit: it may be one of an archive, which is on executors alone."""
    python, configuration = tmp_path / "python", tmp_path / "spark-defaults.conf"
    python.write_text(f'#!/bin/sh\nMARK={by} exec "{sys.executable}" "$@"\n')
    python.chmod(0o700)
    configuration.write_text(f"spark.pyspark.python {python}\n" if by == "SPARK_CONF_DIR" else "")
    given = {by: str(python if by == "PYSPARK_PYTHON" else tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", MARKED],
        env=without_ours(tmp_path / "state") | given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == f"{by}\n", done.stderr


@pytest.fixture
def metastore(tmp_path: Path) -> Iterator[str]:
    """A real metastore service on a free port, with a Derby of its own."""
    command = [sys.executable, "-m", "infra.metastore", "--port", "0", "--set", f"state={tmp_path / 'service'}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        yield service.stdout.readline().strip()
        processes = [psutil.Process(service.pid), *psutil.Process(service.pid).children(recursive=True)]
        service.terminate()
        assert not psutil.wait_procs(processes[1:], timeout=60)[1]


def _listening(address: str) -> set[str]:
    """The addresses on which the service's port listens."""
    port = int(address.rpartition(":")[2])
    processes = psutil.Process().children(recursive=True)
    found = [connection for process in processes for connection in process.net_connections()]
    on_port = [c.laddr.ip for c in found if c.status == psutil.CONN_LISTEN and c.laddr.port == port]
    return {ip.removeprefix("::ffff:") for ip in on_port}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_driver_is_reached_at_one_address_by_any_master(tmp_path: Path) -> None:
    settings = Settings(state=tmp_path, spark_master="spark://host:7077", driver_address="10.0.0.7")
    options = engine.defaults(settings)
    assert {options["spark.driver.host"], options["spark.driver.bindAddress"]} == {"10.0.0.7"}
    assert engine.configure(settings)["SPARK_LOCAL_IP"] == "10.0.0.7"


@pytest.mark.parametrize("given", ["", "hdfs://nameservice/tables", "a folder"])
def test_a_warehouse_without_a_scheme_is_of_this_hosts_disk(tmp_path: Path, given: str) -> None:
    """Also where the cluster's default file system is another."""
    place = str(tmp_path / given) if given and "://" not in given else given
    found = engine.defaults(Settings(state=tmp_path, warehouse=place))["spark.sql.warehouse.dir"]
    assert found == (given if "://" in given else f"file://{place or tmp_path / 'warehouse'}")


@pytest.mark.parametrize(
    ("warehouse", "vectored"), [("", "false"), ("hdfs://nameservice/tables", "false"), ("s3a://tables", "true")]
)
def test_parquet_is_read_range_by_range_but_on_s3(tmp_path: Path, warehouse: str, vectored: str) -> None:
    """A local vectored read keeps a buffer as large as a row group's column in each thread, beside the heap, until none is left."""
    found = engine.defaults(Settings(state=tmp_path, warehouse=warehouse))
    assert found["spark.hadoop.parquet.hadoop.vectored.io.enabled"] == vectored


def test_two_sessions_share_a_metastore_service(metastore: str, tmp_path: Path) -> None:
    assert _listening(metastore) == {"127.0.0.1"}
    old = tmp_path / "a" / "spark" / "events" / "a log of 1970"
    old.parent.mkdir(parents=True)
    old.touch()
    os.utime(old, (0, 0))
    first = second(tmp_path / "a", metastore=metastore, warehouse=tmp_path / "warehouse")
    assert first.returncode == 0, first.stderr
    other = second(tmp_path / "b", metastore=metastore, warehouse=tmp_path / "warehouse")
    assert other.stdout == "rows: 5 at 127.0.0.2\n", other.stderr
    assert not (tmp_path / "a" / "metastore").exists()
    assert not old.exists() and [*old.parent.iterdir()]


def test_unreachable_metastore_is_named(tmp_path: Path) -> None:
    address = f"thrift://127.0.0.1:{_free_port()}"
    refused = second(tmp_path, metastore=address)
    assert (
        f"the Hive metastore {address} did not answer; start it, or correct the setting `metastore`" in refused.stderr
    )
