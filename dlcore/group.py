"""One group of iterations as one Spark barrier job, run again from the same state when it loses a worker."""

import logging
import math
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pyarrow as pa
from py4j.protocol import Py4JJavaError
from pyspark import BarrierTaskContext, SparkConf, SparkContext, cloudpickle
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from dlcore.commits import Saved
from dlcore.control import Switchboard
from dlcore.guard import guarded
from dlcore.worker import ENDED, Assignment, Ended, work

log = logging.getLogger("dlcore")


SHARE = 0.015
"""The part of the time that pauses between groups are given, so that it stays under 2 % though they vary."""
SHORTEST_S = 5.0
"""Groups that cost next to nothing to begin are still no shorter than this: the pause before one is never known well."""
ASSUMED_PAUSE_S = 0.4
SETTLE_S = 10.0


def length_s(paused_s: float, *, longest_s: float) -> float:
    """How long a group lasts so that a pause of ``paused_s`` before each is a ``SHARE`` of the time; at most ``longest_s``.

    A short group loses little when a worker is lost, so it is no longer than it must be.
    """
    return min(longest_s, max(SHORTEST_S, paused_s / SHARE))


class LostWorkers(RuntimeError):
    """A group lost workers more often than is allowed; the last cause is chained."""


@dataclass(kw_only=True)
class BarrierGroups:
    """Runs groups on the executors of ``session``; ``assignment`` is the same for all but its start and its workers.

    ``now`` is the number of workers of the last group; when it is less than wanted, the next does not wait for them again;
    ``ahead`` is the step the workers have come to, saved or not yet; ``paused_s`` the pause between groups, as measured last.
    """

    session: SparkSession
    switchboard: Switchboard
    assignment: Assignment
    retries: int
    least_workers: int
    slots_wait_s: float
    now: int = 0
    ahead: int = 0
    paused_s: float = ASSUMED_PAUSE_S

    def __call__(self, start: Saved) -> Saved:
        """Run one group from where the workers are, and return the newest state that is saved, ``start`` or a later one.

        A state is saved while the next group runs. When workers are lost, the group begins with the newest one saved.
        """
        failures: list[str] = []
        while True:
            start = self._newest(start)
            step, cause = self._attempt(self._assigned(start))
            if step is not None:
                self.ahead = step
                return self._newest(start)
            self.ahead = 0
            failures.append(cause)
            if len(failures) > self.retries:
                raise LostWorkers(f"the group from step {start.step} failed {len(failures)} times, last: {cause}")
            log.warning("group from step %d lost a worker and runs again from the last commit: %s", start.step, cause)

    def _assigned(self, start: Saved) -> Assignment:
        """The next group's work. Other workers than before begin with what is saved, so that of those before is waited for."""
        before, workers = self.now, self._workers()
        if workers != before:
            start = self._settled(start)
        self.now = workers
        return replace(
            self.assignment,
            start=start,
            ahead=max(self.ahead, start.step),
            workers=workers,
            batch=self.assignment.recipe.batch_of(workers, wanted=self.assignment.workers),
            longest_s=length_s(self.paused_s, longest_s=self.assignment.longest_s),
        )

    def _settled(self, start: Saved) -> Saved:
        """The state that the workers have come to, or the newest if it is not saved in ``SETTLE_S`` seconds."""
        deadline = time.monotonic() + SETTLE_S
        while (saved := self._newest(start)).step < self.ahead and time.monotonic() < deadline:
            time.sleep(0.05)
        return saved

    def _newest(self, start: Saved) -> Saved:
        message = self.switchboard.look(f"{self.assignment.run}/saved")
        return max(start, Saved.of(message), key=lambda saved: saved.step) if message else start

    def _workers(self) -> int:
        wanted = self.assignment.workers
        wait_s = 0.0 if 0 < self.now < wanted else self.slots_wait_s
        return wait_for_slots(self.session.sparkContext, wanted, least=self.least_workers, wait_s=wait_s)

    def _attempt(self, assignment: Assignment) -> tuple[int | None, str]:
        group = f"{assignment.run}/{assignment.ahead}-{uuid.uuid4().hex[:8]}"
        try:
            with guarded(self.session.sparkContext, self.switchboard, group):
                ends = _barrier_job(self.session, assignment, group)
        except (Py4JJavaError, PySparkException) as error:
            return None, str(error).splitlines()[0]
        for ended in ends:
            if ended.error:
                _raise(ended)
        self.paused_s = max(ended.paused_s for ended in ends) or self.paused_s
        broken = [ended.broken for ended in ends if ended.broken]
        return None if broken else ends[0].step, "; ".join(broken)


def refuse_dynamic_allocation(conf: SparkConf) -> None:
    """Say at once what Spark would say only after its own retries."""
    if conf.get("spark.dynamicAllocation.enabled", "false") == "true":
        raise ValueError(
            "training needs all its workers at once, which Spark does not grant with spark.dynamicAllocation.enabled=true; start "
            "the session without it, with a fixed spark.executor.instances"
        )


def wait_for_slots(context: SparkContext, workers: int, *, least: int, wait_s: float) -> int:
    """How many workers can run at once: ``workers``, or after ``wait_s`` as few as ``least``; Spark would wait without a word."""
    deadline, said = time.monotonic() + wait_s, -math.inf
    while (slots := _slots(context)) < workers:
        sentence = f"training needs {workers} task slots at once, the Spark application has {slots}"
        if time.monotonic() > deadline and slots >= least:
            log.warning("%s: going on with %d workers", sentence, slots)
            return slots
        if time.monotonic() > deadline:
            raise TimeoutError(f"{sentence}, after {wait_s:g} s of waiting; ask for fewer workers or more cores")
        if time.monotonic() - said > 5:
            log.warning("%s: waiting up to %.0f s more", sentence, deadline - time.monotonic())
            said = time.monotonic()
        time.sleep(0.2)
    return workers


def _slots(context: SparkContext) -> int:
    scala = context._jsc.sc()
    return int(scala.maxNumConcurrentTasks(scala.resourceProfileManager().defaultResourceProfile()))


def _barrier_job(session: SparkSession, assignment: Assignment, group: str) -> list[Ended]:
    """Run ``group`` by one barrier stage, which Spark never repeats by itself, since its results go to the driver.

    It is an Arrow job like the one that writes the shards: Spark keeps Python processes for those apart from an RDD's, and a second
    set of processes would import torch a second time.
    """

    def task(rows: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for _ in rows:
            pass
        yield work(assignment, group=group, cores=BarrierTaskContext.get().cpus()).to_arrow()

    places = session.range(0, assignment.workers, 1, assignment.workers)
    return [Ended.from_row(row) for row in places.mapInArrow(task, ENDED, barrier=True).collect()]


def _raise(ended: Ended) -> None:
    error: Exception = cloudpickle.loads(ended.error)  # from Spark's own channel, of this very job
    where = f"rank {ended.rank}" if ended.rank >= 0 else "a worker before it had a rank"
    error.add_note(f"raised on {where} of the training group:\n{ended.trace}")
    raise error


def driver_address(context: SparkContext) -> str:
    """The address that executors reach the driver by: loopback when they are on this machine."""
    if str(context.master).startswith("local"):
        return "127.0.0.1"
    return str(context.getConf().get("spark.driver.host", "127.0.0.1"))
