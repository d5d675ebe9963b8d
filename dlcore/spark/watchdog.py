"""The end of a job whose workers do not come, do not go on or do not end, and for which Spark would wait for ever."""

import logging
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pyspark import SparkContext

from dlcore.parallel.collective import BrokenGroup
from dlcore.run.control import ControlServer
from dlcore.run.rendezvous import loading

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
    that grows while they work, and why one of them has left."""

    launched: bool = False
    arrived: int = 0
    loading: int = 0
    signs: int = 0
    left: str = ""


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
        return Phase(name="end", limit_s=limits.end_s, cause=BrokenGroup(cause))
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
    """Watches one group's job from a thread of its own; ``cause`` is why it was cancelled."""

    def __init__(self, context: SparkContext, control: ControlServer, group: str, limits: Limits) -> None:
        self._context, self._control, self._group, self.limits = context, control, group, limits
        self._tag, self._over = f"dlcore-{uuid.uuid4().hex[:8]}", threading.Event()
        self.cause: Exception | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Run the body's Spark job; cancel it when it is overdue."""
        thread = threading.Thread(target=self._watch, name="dlcore-watchdog", daemon=True)
        self._context.addJobTag(self._tag)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()
            self._context.removeJobTag(self._tag)

    def _watch(self) -> None:
        clock, said = Clock(self.limits, time.monotonic()), 0.0
        while not self._over.wait(POLL_S):
            now = time.monotonic()
            self.cause = clock.overdue(self._seen(), now)
            if self.cause is not None:
                log.warning("%s: the job is cancelled", self.cause)
                self._context.cancelJobsWithTag(self._tag)
                return
            if clock.phase.name == "slots" and now - said > SAY_S:
                log.warning(
                    "%d workers wait for task slots that other jobs hold, up to %.0f s more",
                    self.limits.workers,
                    self.limits.slots_s - clock.waited_s(now),
                )
                said = now

    def _seen(self) -> Seen:
        look = self._control.look
        arrived = look(f"{self._group}/arrived") or 0
        return Seen(
            launched=arrived > 0 or self._launched(),
            arrived=arrived,
            loading=look(loading(self._group)) or 0,
            signs=look(f"{self._group}/signs") or 0,
            left=look(f"{self._group}/left") or "",
        )

    def _launched(self) -> bool:
        """Whether a task of the job runs or has run."""
        tracker: Any = self._context._jsc.sc().statusTracker()
        jobs = [tracker.getJobInfo(job) for job in tracker.getJobIdsForTag(self._tag)]
        stages = [tracker.getStageInfo(stage) for job in jobs if job.isDefined() for stage in job.get().stageIds()]
        infos = [stage.get() for stage in stages if stage.isDefined()]
        return any(info.numActiveTasks() + info.numCompletedTasks() + info.numFailedTasks() > 0 for info in infos)
