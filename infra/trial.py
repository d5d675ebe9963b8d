"""A session as a step's will be, tried on the settings: ``python -m infra.trial`` prints what it found as JSON, for ``infra check``."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from uuid import uuid4

from pyspark.sql import SparkSession

from infra import spark as engine
from infra.settings import Settings, load
from infra.tables import hadoop

Finding = tuple[bool | None, str]
"""Whether what was tried is good, or None where nothing could be tried, and the sentence that says so."""

PATIENCE_S = 300.0


def findings(settings: Settings) -> list[Finding]:
    """What a session in a process of its own finds; a cluster that grants it nothing is not waited for longer than five minutes."""
    command, environment = [sys.executable, "-m", "infra.trial"], os.environ | settings.environment()
    try:
        said = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True, timeout=PATIENCE_S
        ).stdout
    except subprocess.TimeoutExpired:
        return [(False, f"a step's session did not start within {PATIENCE_S:.0f} s; see whether the cluster has room")]
    except subprocess.CalledProcessError as ended:
        return [(False, f"a step's session cannot start: {(ended.stderr.strip().splitlines() or ['no word'])[-1]}")]
    return [(good, sentence) for good, sentence in json.loads(said.splitlines()[-1])]


def tried(settings: Settings) -> Iterator[Finding]:
    """Start a session with Hive, and use each place as steps do."""
    try:
        spark = engine.session("check", settings, hive=True)
    except RuntimeError as refused:
        yield None if engine.HELD in str(refused) else False, f"a step's session: {refused}"
        return
    try:
        yield True, "a step's session: it starts, and its Hive metastore answers"
        yield _told("executors run this Python", lambda: _executors(spark))
        yield _told("warehouse takes a new file, and gives it back", lambda: _warehouse(spark, settings))
        yield _told("landing can be listed", lambda: _landing(spark, settings))
    finally:
        spark.stop()


def _told(what: str, attempt: Callable[[], str]) -> Finding:
    try:
        return True, f"a step's session: {what}: {attempt()}"
    except engine.ERRORS as error:
        return False, f"a step's session: not so: {what}: {str(error).splitlines()[0]}; {engine.root(error)}"


def _executors(spark: SparkSession) -> str:
    own, theirs = (
        platform.python_version(),
        spark.sparkContext.parallelize([0], 1).map(lambda _: platform.python_version()),
    )
    return f"{theirs.first()} there, {own} here"


def _warehouse(spark: SparkSession, settings: Settings) -> str:
    place = f"{hadoop.uri(settings.warehouse)}/.check-{uuid4().hex}"
    hadoop.create(spark, place, "")
    hadoop.delete(spark, place)
    return settings.warehouse


def _landing(spark: SparkSession, settings: Settings) -> str:
    found = hadoop.entries(spark, hadoop.uri(settings.landing))
    return f"{', '.join(entry.name for entry in found) or 'nothing'} in {settings.landing}"


if __name__ == "__main__":
    print(json.dumps(list(tried(load()))))
