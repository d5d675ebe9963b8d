"""One group of iterations as one Spark job, run again from the same state when it loses a worker.

The job is a barrier stage, whose tasks begin and fail together. Where executors come on demand Spark grants none, and it is a plain
one: its tasks meet by the control server as those of a barrier stage do, and what Spark repeats of it by itself takes no part.
"""

import logging
import time
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial

import pyarrow as pa
from py4j.protocol import Py4JJavaError
from pyspark import SparkConf, TaskContext, cloudpickle
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from dlcore.parallel.collective import BrokenGroup
from dlcore.run.commits import Saved
from dlcore.run.control import ControlServer, LostDriver
from dlcore.run.rendezvous import dismiss
from dlcore.spark.assignment import ENDED, Assignment, Ended
from dlcore.spark.errors import cause_of, in_python, is_caused_by, noted, rebuilt
from dlcore.spark.slots import Newcomers, demanded, on_demand, slots_of, wait_for_slots
from dlcore.spark.watchdog import Limits, Watchdog
from dlcore.spark.worker import MEETING_S, work

log = logging.getLogger("dlcore")


SHARE = 0.0075
"""The part of the time that pauses between groups are given: a long network's whole overhead is to stay under 3 %."""
SHORTEST_S = 5.0
"""Groups that cost next to nothing to begin are still no shorter than this: the pause before one is never known well."""
ASSUMED_PAUSE_S = 0.4
SETTLE_S = 10.0
LAUNCH_S = 2.0
"""Within this Spark launches the tasks of a job for which there are slots."""
WARM_S = 30.0
"""Within this the workers of the group before are at the next one: even one whose process Spark has ended, which imports torch again."""
GRACE_S = 10.0
"""How long the others may take to end after a worker has left; no longer than their patience."""


def length_s(paused_s: float, *, longest_s: float) -> float:
    """How long a group lasts so that a pause of ``paused_s`` before each is a ``SHARE`` of the time; at most ``longest_s``.

    A short group loses little when a worker is lost, so it is no longer than it must be.
    """
    return min(longest_s, max(SHORTEST_S, paused_s / SHARE))


def lasting(conf: SparkConf, *, plain: bool) -> bool:
    """Whether Python processes stay when the tasks of a group, a ``plain`` job or one barrier stage, have ended.

    Where Spark speculates, it gives a process that has ended its task a copy of another's, and ends the process with the copy.
    """
    reused = conf.get("spark.python.worker.reuse", "true").lower() == "true"
    copied = plain and conf.get("spark.speculation", "false").lower() == "true"
    return reused and not copied


class LostWorkers(RuntimeError):
    """A group lost workers more often than is allowed, or none could begin; Spark's own error is chained."""


@dataclass(kw_only=True)
class SparkGroups:
    """Runs groups on the executors of ``session``; ``assignment`` is the same for all but its start and its workers.

    ``now`` is the number of workers of the last group; when it is less than wanted, the next does not wait for them again. Where shares
    are those of logical workers, no group but the first waits: those there are take over the shares of others, and more join later.
    ``ahead`` is the step the workers have come to, saved or not yet; ``paused_s`` the pause between groups, as measured last.
    """

    session: SparkSession
    control: ControlServer
    assignment: Assignment
    retries: int
    least_workers: int
    slots_wait_s: float
    now: int = 0
    ahead: int = 0
    paused_s: float = ASSUMED_PAUSE_S

    def __post_init__(self) -> None:
        self._logical = self.assignment.method.logical_workers is not None
        conf = self.session.sparkContext.getConf()
        self._plain = on_demand(conf)
        self._lasting = lasting(conf, plain=self._plain)
        self._newcomers = Newcomers(self.session, self._slots, wanted=self.assignment.workers if self._plain else 0)

    def close(self) -> None:
        """End what listens to workers, or waits for executors."""
        self._newcomers.close()
        self.control.close()

    def __call__(self, start: Saved) -> Saved:
        """Run one group from where the workers are, and return the newest state that is saved, ``start`` or a later one.

        A state is saved while the next group runs. When workers are lost, the group begins with the newest one saved.
        """
        failures = 0
        while True:
            start = self._newest(start)
            try:
                self.ahead = self._attempt(self._assigned(start))
                return self._newest(start)
            except BrokenGroup as broken:
                self.ahead, self._newcomers.ready, failures = 0, 0, failures + 1
                if failures > self.retries:
                    sentence = f"the group from step {start.step} failed {failures} times, last: {broken}"
                    raise LostWorkers(sentence) from (broken.__cause__ or broken)
                log.warning(
                    "group from step %d lost a worker and runs again from the last commit: %s", start.step, broken
                )

    def _assigned(self, start: Saved) -> Assignment:
        """The next group's work. Other workers than before begin with what is saved, so that of those before is waited for."""
        before, workers = self.now, self._workers()
        if workers != before:
            start = self.settled(start)
        self.now = workers
        return replace(
            self.assignment,
            start=start,
            ahead=max(self.ahead, start.step),
            workers=workers,
            batch=self.assignment.method.batch_of(workers, wanted=self.assignment.workers),
            longest_s=length_s(self.paused_s, longest_s=self.assignment.longest_s),
            lasting=self._lasting,
        )

    def settled(self, start: Saved) -> Saved:
        """The state that the workers have come to, or the newest if it is not saved in ``SETTLE_S`` seconds."""
        deadline = time.monotonic() + SETTLE_S
        while (saved := self._newest(start)).step < self.ahead and time.monotonic() < deadline:
            time.sleep(0.05)
        return saved

    def _newest(self, start: Saved) -> Saved:
        message = self.control.look(f"{self.assignment.run}/saved")
        return max(start, Saved.of(message), key=lambda saved: saved.step) if message else start

    def _workers(self) -> int:
        wanted, begun = self.assignment.workers, self.now > 0
        shrunk = begun and (self.now < wanted or self._logical)
        enough = self._slots() >= (self.least_workers if shrunk else wanted)
        longest_s = 2 * self.slots_wait_s + MEETING_S
        asking = self._plain and not enough
        with demanded(self.session, self.control, wanted, longest_s=longest_s) if asking else nullcontext():
            found = wait_for_slots(
                self._slots, wanted, least=self.least_workers, wait_s=self.slots_wait_s, shrunk=shrunk
            )
        if self._logical and begun:
            found = min(found, max(self.now, self._newcomers.ready))
        if begun and found > self.now:
            log.warning("going on with %d workers", found)
        return found

    def _slots(self) -> int:
        return slots_of(self.session)

    def _attempt(self, assignment: Assignment) -> int:
        """Run a group and return the step it has come to; raises what went wrong in a worker, or BrokenGroup where none is to blame."""
        group = f"{assignment.run}/{assignment.ahead}-{uuid.uuid4().hex[:8]}"
        warm = self.ahead > 0 and assignment.lasting
        limits = limits_of(assignment.workers, assignment.patience_s, slots_wait_s=self.slots_wait_s, warm=warm)
        watchdog = Watchdog(self.session, self.control, group, limits, repeated=self._plain)
        try:
            with watchdog.watching(), self._starting(assignment, group):
                ends = _job(self.session, assignment, group, barrier=not self._plain)
        except (Py4JJavaError, PySparkException) as error:
            raise self._cause(group, watchdog, error) from error
        finally:
            dismiss(self.control.post, group, "the group is over")  # whoever comes late leaves at once
        self._tell_repeated(assignment, group)
        for ended in ends:
            if ended.error:  # unpickled, since it came over Spark's own channel, of this very job
                raise noted(cloudpickle.loads(ended.error), rank=ended.rank, trace=ended.trace)
        if told := self.control.look(f"{group}/error"):  # of a task for which Spark has taken a second one's result
            raise rebuilt(told)
        self.paused_s = max(ended.paused_s for ended in ends) or self.paused_s
        if broken := [ended.broken for ended in ends if ended.broken]:
            raise BrokenGroup("; ".join(dict.fromkeys(broken)))
        return ends[0].step

    def _tell_repeated(self, assignment: Assignment, group: str) -> None:
        attempts = [self.control.look(f"{group}/task/{task}") or 0 for task in range(assignment.workers)]
        if (more := sum(attempts) - len(attempts)) > 0:
            log.debug("Spark began %d more attempts at the tasks of a group, which took no part", more)

    def _starting(self, assignment: Assignment, group: str) -> AbstractContextManager[None]:
        """Start the Python of slots that come while the group runs with fewer workers than wanted."""
        if not (self._logical or self._plain) or assignment.workers == self.assignment.workers:
            return nullcontext()
        begun = partial(self._all_came, group, assignment.workers)
        return self._newcomers.watched(assignment.workers, begun=begun)

    def _all_came(self, group: str, workers: int) -> bool:
        return (self.control.look(f"{group}/arrived") or 0) >= workers

    def _cause(self, group: str, watchdog: Watchdog, error: Exception) -> Exception:
        """What a failed job is to be told as: a worker's own error, why the watchdog cancelled it, or what Spark says."""
        if told := self.control.look(f"{group}/error"):
            return rebuilt(told)
        if isinstance(watchdog.cause, TimeoutError) and self._slots() >= watchdog.limits.workers:
            return watchdog.cause
        if watchdog.cause is not None:
            return BrokenGroup(str(watchdog.cause))
        if is_caused_by(error, LostDriver):  # which was silent for a while, and now hears of it
            return BrokenGroup(cause_of(error))
        if in_python(error) and not self.control.look(f"{group}/arrived"):
            return LostWorkers(f"no worker could begin, and none would if it was tried again: {cause_of(error)}")
        return BrokenGroup(cause_of(error))


def limits_of(workers: int, patience_s: float, *, slots_wait_s: float, warm: bool) -> Limits:
    """A group's limits; ``warm`` where the processes of the one before take it.

    The workers' own patience with each other ends before the driver's: those that leave by themselves stay warm.
    """
    grace_s = min(GRACE_S, patience_s)
    return Limits(
        workers=workers,
        slots_s=max(LAUNCH_S, slots_wait_s),
        begin_s=max(WARM_S if warm else MEETING_S, patience_s) + grace_s,
        batch_s=patience_s + grace_s,
        end_s=grace_s,
    )


def _job(session: SparkSession, assignment: Assignment, group: str, *, barrier: bool) -> list[Ended]:
    """Run ``group`` by one stage. A barrier stage is never repeated by Spark itself, since its results go to the driver.

    It is an Arrow job like the one that writes the pieces: Spark keeps Python processes for those apart from an RDD's, and a second
    set of processes would import torch a second time.
    """

    def task(rows: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for _ in rows:
            pass
        context = TaskContext.get()
        assert context is not None
        yield work(assignment, group=group, task=context.partitionId(), cores=context.cpus()).to_arrow()

    places = session.range(0, assignment.workers, 1, assignment.workers)
    return [Ended.from_row(row) for row in places.mapInArrow(task, ENDED, barrier=barrier).collect()]


def open_control_server(conf: SparkConf) -> ControlServer:
    """A control where executors reach the driver: on loopback when they are on this machine, else as Spark's own server."""
    port = int(conf.get("spark.dlcore.port", "0"))
    if conf.get("spark.master", "local").startswith("local"):
        return ControlServer("127.0.0.1", port=port)
    host = conf.get("spark.driver.host", "127.0.0.1")
    return ControlServer(host, bind=conf.get("spark.driver.bindAddress", host), port=port)
