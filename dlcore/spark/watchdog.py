"""The end of a job whose workers do not come, do not go on or do not end, and for which Spark would wait for ever."""

import logging
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pyspark.sql import SparkSession

from dlcore.parallel.collective import BrokenGroup
from dlcore.run.control import ControlServer
from dlcore.run.rendezvous import dismiss, leaving, left, loading
from dlcore.spark.errors import cause_of
from dlcore.spark.slots import slots_of
from dlcore.spark.tagged import TaggedJobs, Tasks

log = logging.getLogger("dlcore")
POLL_S, SAY_S = 0.5, 5.0


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How long a group of so many workers may stay in one phase: waiting for slots, beginning, between two batches, and ending."""

    workers: int
    slots_s: float
    begin_s: float
    batch_s: float
    end_s: float


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the driver sees of a group: whether its tasks run, how many workers have come, a number that grows while they load, one
    that grows while they work, and why one of them has left; none of them is busy where all but a lost one have ended."""

    launched: bool = False
    arrived: int = 0
    loading: int = 0
    signs: int = 0
    left: str = ""
    busy: bool = True


@dataclass(frozen=True, kw_only=True)
class Phase:
    """What a group is at; ``mark`` differs where it has gone on. After ``limit_s`` without that, ``cause`` ends it."""

    name: str
    mark: int = 0
    limit_s: float
    cause: Exception


def phase(seen: Seen, limits: Limits) -> Phase:
    """The phase that a group is in. One that a worker has left must end, whatever the others are busy with."""
    if seen.left:
        cause = f"a worker has left the group and another does not end: {seen.left}"
        return Phase(name="end", limit_s=limits.end_s if seen.busy else 0, cause=BrokenGroup(cause))
    if seen.signs:
        cause = (
            f"no worker has finished a batch for {limits.batch_s:g} s; where that is no hang, raise Training.patience_s"
        )
        return Phase(name="batches", mark=seen.signs, limit_s=limits.batch_s, cause=BrokenGroup(cause))
    if seen.launched:
        cause = (
            f"{seen.arrived} of {limits.workers} workers have come and none has finished a batch, in {limits.begin_s:g} s; where "
            "that is no hang, raise Training.patience_s"
        )
        return Phase(name="begin", mark=seen.arrived + seen.loading, limit_s=limits.begin_s, cause=BrokenGroup(cause))
    cause = (
        f"training needs {limits.workers} task slots at once, the Spark application has them, but other jobs hold some, after "
        f"{limits.slots_s:g} s of waiting; end those jobs, ask for fewer workers, or raise Training.slots_wait_s"
    )
    return Phase(name="slots", limit_s=limits.slots_s, cause=TimeoutError(cause))


class Clock:
    """Tells when a group has stayed where it is for longer than its phase allows."""

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits, self._since = limits, now
        self.phase = phase(Seen(), limits)

    def overdue(self, seen: Seen, now: float) -> Exception | None:
        """The cause to end the group for, if it is time."""
        before, self.phase = self.phase, phase(seen, self._limits)
        if (before.name, before.mark) != (self.phase.name, self.phase.mark):
            self._since = now
        return self.phase.cause if self.waited_s(now) > self.phase.limit_s else None

    def waited_s(self, now: float) -> float:
        return now - self._since


class Watchdog:
    """Watches one group's job from a thread of its own; ``cause`` is why it was cancelled.

    Of a job whose lost tasks Spark has ``repeated`` by itself, it tells the other workers to leave when one is lost. An executor that
    is to go, and says so first (Spark's decommissioning), has no slots any more while its tasks still run: then the group is told to
    end at its next step, with a commit.
    """

    def __init__(
        self, session: SparkSession, control: ControlServer, group: str, limits: Limits, *, repeated: bool = False
    ) -> None:
        self._session, self._context = session, session.sparkContext
        self._control, self._group, self.limits, self._repeated = control, group, limits, repeated
        self._jobs, self._over = TaggedJobs(self._context), threading.Event()
        self.cause: Exception | None = None
        # The tasks of a plain job are counted some seconds late, so that it is not said at once of those.
        self._said, self._slots = time.monotonic() if repeated else -math.inf, slots_of(session)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Run the body's Spark job; cancel it when it is overdue."""
        thread = threading.Thread(target=self._watch, name="dlcore-watchdog", daemon=True)
        with self._jobs.tagging():
            thread.start()
            try:
                yield
            finally:
                self._over.set()
                thread.join()

    def _watch(self) -> None:
        clock = Clock(self.limits, time.monotonic())
        while self.cause is None and not self._over.wait(POLL_S):
            try:
                self._look(clock, time.monotonic())
            except Exception as error:  # noqa: BLE001 - a group must not lose its guard, whatever Spark answers
                log.warning("the driver could not look after the group, and tries again: %s", error)

    def _look(self, clock: Clock, now: float) -> None:
        self._heed_leaving()
        if cause := clock.overdue(self._seen(), now):
            log.warning("%s: the job is cancelled", cause)
            self._jobs.cancel()
            self.cause = cause
        elif clock.phase.name == "slots" and now - self._said > SAY_S and self._jobs.others:
            left_s = self.limits.slots_s - clock.waited_s(now)
            log.warning(
                "%d workers wait for task slots that other jobs hold, up to %.0f s more", self.limits.workers, left_s
            )
            self._said = now

    def _heed_leaving(self) -> None:
        """Let the group end at its next step where an executor has announced its end."""
        before, self._slots = self._slots, slots_of(self._session)
        if self._slots < before:
            self._control.post(leaving(self._group), True)

    def _seen(self) -> Seen:
        look = self._control.look
        arrived = look(f"{self._group}/arrived") or 0
        tasks = self._jobs.tasks() if self._repeated or not arrived else Tasks(active=arrived)
        lost = self._repeated and arrived > 0 and tasks.failed > 0
        if lost and not look(left(self._group)):
            dismiss(self._control.post, self._group, self._failure())
        begun = max(arrived, tasks.active + tasks.completed + tasks.failed)
        return Seen(
            launched=begun >= (self.limits.workers if self._repeated else 1),
            arrived=arrived,
            loading=look(loading(self._group)) or 0,
            signs=look(f"{self._group}/signs") or 0,
            left=look(left(self._group)) or "",
            busy=tasks.active > 0 or not lost,
        )

    def _failure(self) -> str:
        """What Spark says of a task that it has lost."""
        store: Any = self._context._jsc.sc().statusStore()
        tasks = [store.taskList(stage, 0, self.limits.workers * 4) for stage in self._jobs.stages()]
        errors = [each.apply(place).errorMessage() for each in tasks for place in range(each.size())]
        return next((cause_of(RuntimeError(error.get())) for error in errors if error.isDefined()), "Spark lost a task")
