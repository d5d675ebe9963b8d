"""An end to Python processes of Spark's that say nothing any more, in jobs that no watchdog follows: those before the first group."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from py4j.protocol import Py4JJavaError
from pyspark import SparkContext
from pyspark.errors import PySparkException

from dlcore.spark.listener import beside
from dlcore.spark.tagged import TaggedJobs

T = TypeVar("T")

LIMIT = "spark.sql.execution.pyspark.udf.idleTimeoutSeconds"
KILL = "spark.sql.execution.pyspark.udf.killOnIdleTimeout"
TRIES = 2


@contextmanager
def silence_limited(context: SparkContext, seconds: float) -> Iterator[None]:
    """Have Spark end (SIGTERM) a Python process that neither reads nor writes for ``seconds``, and try its task again, in the body's jobs.

    The settings are of this thread's jobs alone: others of the session may be silent for as long as they like. Where the session has
    values of its own for them, those hold. A part of a second is rounded up.
    """
    limits = {LIMIT: str(math.ceil(seconds)), KILL: "true"}
    before = {name: context.getLocalProperty(name) for name in limits}
    _set(context, limits)
    try:
        yield
    finally:
        _set(context, before)


def _set(context: SparkContext, properties: Mapping[str, str | None]) -> None:
    for name, value in properties.items():
        context.setLocalProperty(name, value)  # type: ignore[arg-type]  # none takes it away


def brief(context: SparkContext, job: Callable[[], T], *, limit_s: float) -> T:
    """What a short ``job`` returns, which runs in a thread of its own with the caller's properties.

    When its tasks have run for ``limit_s``, it is cancelled, which ends their Python whatever holds it (SIGKILL), and run once more.
    Tasks that wait for slots are not counted. A TimeoutError when that was in vain.
    """
    for _ in range(TRIES):
        jobs = TaggedJobs(context)
        limit = _Limit(jobs, limit_s)
        try:
            return beside(partial(_within, jobs, job), limit.look)
        except (Py4JJavaError, PySparkException):
            if not limit.overdue:
                raise
    raise TimeoutError(
        f"tasks that take a moment had not ended after {limit_s:g} s, {TRIES} times: their Python hangs or is stopped"
    )


def _within(jobs: TaggedJobs, job: Callable[[], T]) -> T:
    with jobs.tagging():
        return job()


class _Limit:
    """Cancels jobs whose tasks have run for too long."""

    def __init__(self, jobs: TaggedJobs, limit_s: float) -> None:
        self._jobs, self._limit_s, self._since = jobs, limit_s, time.monotonic()
        self.overdue = False

    def look(self) -> None:
        now = time.monotonic()
        if not self._jobs.tasks().active:
            self._since = now
        elif now - self._since > self._limit_s and not self.overdue:
            self.overdue = True
            self._jobs.cancel()
