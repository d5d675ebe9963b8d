"""The Spark session of a step, and the configuration folder that every Spark of the platform starts from."""

import os
import shutil
import sys
from collections.abc import Mapping
from importlib.metadata import files
from pathlib import Path

from pyspark.sql import SparkSession

from infra.settings import Settings

LOG4J = """\
rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %d{HH:mm:ss} %p [${env:EMBERLINE_RUN:-by-hand}] %c{1}: %m%n%ex
"""


def defaults(settings: Settings) -> dict[str, str]:
    """What every Spark application of the platform is configured with; loopback alone, UTC, MKL where installed."""
    scratch = settings.state / "spark"
    options = {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": settings.driver_memory,
        "spark.driver.extraJavaOptions": java_options(settings),
        "spark.executor.extraJavaOptions": java_options(settings),
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": (scratch / "events").as_uri(),
        "spark.local.dir": str(scratch / "scratch"),
        "spark.pyspark.python": sys.executable,
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "4",
        "spark.sql.warehouse.dir": settings.warehouse,
        "spark.ui.enabled": "false",
    }
    if settings.metastore:
        return options | {"spark.hadoop.hive.metastore.uris": settings.metastore}
    derby = settings.state / "metastore"
    return options | {"spark.hadoop.javax.jdo.option.ConnectionURL": f"jdbc:derby:;databaseName={derby};create=true"}


def java_options(settings: Settings) -> str:
    """JVM options of driver and executors: UTC, Derby's log inside the state folder, and MKL for Spark ML."""
    options = [
        "-Duser.timezone=UTC",
        f"-Dderby.stream.error.file={settings.state / 'logs' / 'derby.log'}",
    ]
    if library := mkl():
        options += [f"-Ddev.ludovic.netlib.{part}.nativeLibPath={library}" for part in ("blas", "lapack")]
    return " ".join(options)


def mkl() -> Path | None:
    """Where the ``mkl`` package put its single dynamic library, or None where the package is not installed."""
    try:
        installed = files("mkl") or []
    except ModuleNotFoundError:
        return None
    found = [Path(str(file.locate())).resolve() for file in installed if file.name.startswith("libmkl_rt.so")]
    return found[0] if found else None


def configure(settings: Settings) -> dict[str, str]:
    """Write Spark's configuration folder and return the environment that makes a process use it."""
    conf = settings.state / "spark" / "conf"
    for folder in (conf, settings.state / "spark" / "events", settings.state / "spark" / "scratch", settings.state / "logs"):
        folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{name} {value}" for name, value in defaults(settings).items()]
    (conf / "spark-defaults.conf").write_text("\n".join(lines) + "\n")
    (conf / "log4j2.properties").write_text(LOG4J)
    environment = {
        "SPARK_CONF_DIR": str(conf),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    return environment | java_home(settings, os.environ)


def java_home(settings: Settings, environment: Mapping[str, str]) -> dict[str, str]:
    """Point ``JAVA_HOME`` at the JRE that set-up made, where set-up found no Java 17 or 21."""
    embedded = settings.state / "jre"
    if "JAVA_HOME" in environment or not (embedded / "bin" / "java").exists() or shutil.which("java") is not None:
        return {}
    return {"JAVA_HOME": str(embedded)}


def session(name: str, settings: Settings, *, hive: bool = False) -> SparkSession:
    """Start a step's session: under spark-submit on the master given there, by hand on the one of the settings."""
    builder = SparkSession.builder.appName(name)
    if "PYSPARK_GATEWAY_PORT" not in os.environ:
        os.environ.update(configure(settings))
        builder = builder.master(settings.spark_master)
    if hive:
        builder = builder.enableHiveSupport()
    return builder.getOrCreate()
