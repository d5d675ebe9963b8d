"""What a container of the image runs: Spark's driver or executor by the word that Spark passes, else the command it is given.

Spark says in the environment what it would have an executor be (its own image's contract, Spark 4.2).
"""

import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

BACKEND = "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend"
TOLD = {
    "driver-url": "SPARK_DRIVER_URL",
    "executor-id": "SPARK_EXECUTOR_ID",
    "cores": "SPARK_EXECUTOR_CORES",
    "app-id": "SPARK_APPLICATION_ID",
    "hostname": "SPARK_EXECUTOR_POD_IP",
    "resourceProfileId": "SPARK_RESOURCE_PROFILE_ID",
    "podName": "SPARK_EXECUTOR_POD_NAME",
}


def command(given: list[str], environment: Mapping[str, str]) -> list[str]:
    """The program to become, with its arguments."""
    match given:
        case ["executor", *_]:
            return executor(environment)
        case ["driver", *rest]:
            bound = f"spark.driver.bindAddress={environment['SPARK_DRIVER_BIND_ADDRESS']}"
            return ["spark-submit", "--conf", bound, "--deploy-mode", "client", *rest]
        case []:
            raise SystemExit("a container runs `driver`, `executor` or a command, got nothing")
        case _:
            return given


def executor(environment: Mapping[str, str]) -> list[str]:
    """The JVM of an executor."""
    memory = environment["SPARK_EXECUTOR_MEMORY"]
    arguments = [part for name, told in TOLD.items() for part in (f"--{name}", environment[told])]
    path = os.pathsep.join([environment.get("SPARK_CONF_DIR", ""), f"{spark_home()}/jars/*"]).strip(os.pathsep)
    heap = [f"-Xms{memory}", f"-Xmx{memory}"]
    return [java(environment), *java_options(environment), *heap, "-cp", path, BACKEND, *arguments]


def java_options(environment: Mapping[str, str]) -> list[str]:
    """The options of the JVM, which Spark numbers."""
    prefix = "SPARK_JAVA_OPT_"
    numbers = sorted(int(name.removeprefix(prefix)) for name in environment if name.startswith(prefix))
    return [environment[f"{prefix}{number}"] for number in numbers]


def java(environment: Mapping[str, str]) -> str:
    home = environment.get("JAVA_HOME")
    return f"{home}/bin/java" if home else "java"


def spark_home() -> Path:
    """Where the package of Spark is, found without importing it."""
    found = find_spec("pyspark")
    if found is None or found.origin is None:
        raise SystemExit("pyspark is not installed in this image")
    return Path(found.origin).parent


def main() -> None:
    os.umask(0o077)  # the state is its user's alone, whichever pod writes it
    program = command(sys.argv[1:], os.environ)
    os.execvp(program[0], program)


if __name__ == "__main__":
    main()
