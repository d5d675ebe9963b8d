"""An end to Python processes of Spark's that say nothing any more, in jobs that no watchdog follows: those before the first group."""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import TypeVar

from py4j.protocol import Py4JJavaError
from pyspark import SparkContext
from pyspark.errors import PySparkException

from dlcore.spark.listener import beside
from dlcore.spark.tagged import TaggedJobs

T = TypeVar("T")

TRIES = 2
SIGNS = 4
"""Signs of life within a limit, so that a moment's delay ends nothing."""


@contextmanager
def silence_limited(limit_s: float) -> Iterator[None]:
    """Have the kernel end this process (SIGKILL) when no other Python thread gets to run for ``limit_s`` while the body does.

    So it is with a process that is stopped (SIGSTOP), or whose native code hangs and holds Python's lock; one that waits for rows or
    storage is let be. Spark tries its task again. Where the system has no timers of POSIX (timer_create), nothing is limited.
    """
    if sys.platform != "linux":
        yield
        return
    over = threading.Event()
    with closing(_Timer()) as timer:
        timer.set(limit_s)  # before the thread runs, which the body may not let
        thread = threading.Thread(target=_put_off, args=(timer, limit_s, over), name="dlcore-silence", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def _put_off(timer: "_Timer", limit_s: float, over: threading.Event) -> None:
    while not over.wait(limit_s / SIGNS):
        timer.set(limit_s)


class _Event(ctypes.Structure):
    """What a timer does: send ``signal`` to the process (``notify`` 0, SIGEV_SIGNAL). See sigevent(3type)."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signal", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("rest", ctypes.c_byte * 48),
    )


class _Times(ctypes.Structure):
    """When a timer goes off, and then again. See itimerspec(3type)."""

    _fields_ = tuple((name, ctypes.c_long) for name in ("again_s", "again_ns", "first_s", "first_ns"))


class _Timer:
    """A timer of the kernel's, which ends this process when it goes off. A signal that can be caught would not end a stopped one."""

    def __init__(self) -> None:
        self._library, self._id = ctypes.CDLL("librt.so.1", use_errno=True), ctypes.c_void_p()
        event = _Event(signal=signal.SIGKILL)
        self._call("timer_create", time.CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(self._id))

    def set(self, seconds: float) -> None:
        """Go off in so many seconds, and not when it was to before."""
        times = _Times(first_s=int(seconds), first_ns=int(seconds % 1 * 1e9))
        self._call("timer_settime", self._id, 0, ctypes.byref(times), None)

    def close(self) -> None:
        self._call("timer_delete", self._id)

    def _call(self, name: str, *arguments: object) -> None:
        if getattr(self._library, name)(*arguments):
            raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")


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
