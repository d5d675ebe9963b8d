"""The task slots that a group needs at once: how many there are, waiting for them with a word, and asking Spark for more.

Where Spark brings executors on demand (dynamic allocation), it brings them for tasks that wait, and for nothing else.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pyarrow as pa
from py4j.protocol import Py4JError
from pyspark import InheritableThread, SparkConf
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from dlcore.run.control import ControlClient, ControlServer
from dlcore.spark.errors import cause_of
from dlcore.spark.tagged import TaggedJobs

log = logging.getLogger("dlcore")
POLL_S, END_S = 0.25, 60.0
"""How often slots are counted, and how long a task may take to hear that it is to end: as long as its Python takes to start."""


def on_demand(conf: SparkConf) -> bool:
    """Whether executors come and go with the tasks there are, which Spark calls dynamic allocation; it grants no barrier stages then."""
    master = conf.get("spark.master", "local")
    local = master == "local" or master.startswith("local[")
    return conf.get("spark.dynamicAllocation.enabled", "false").lower() == "true" and not local


def slots_of(session: SparkSession) -> int:
    """How many tasks can run at once."""
    scala = session.sparkContext._jsc.sc()
    return int(scala.maxNumConcurrentTasks(scala.resourceProfileManager().defaultResourceProfile()))


def wait_for_slots(slots: Callable[[], int], workers: int, *, least: int, wait_s: float, shrunk: bool) -> int:
    """How many workers can run at once: ``workers``, or after ``wait_s`` as few as ``least``; Spark would wait without a word.

    A run that has ``shrunk`` before does not wait again for more than ``least``.
    """
    deadline, said = time.monotonic() + wait_s, -math.inf
    while (now := slots()) < workers:
        sentence = f"training needs {workers} task slots at once, the Spark application has {now}"
        late = time.monotonic() > deadline
        if now >= least and (late or shrunk):
            log.warning("%s: going on with %d workers", sentence, now)
            return now
        if late:
            raise TimeoutError(f"{sentence}, after {wait_s:g} s of waiting; ask for fewer workers or more cores")
        if time.monotonic() - said > 5:
            log.warning("%s: waiting up to %.0f s more", sentence, deadline - time.monotonic())
            said = time.monotonic()
        time.sleep(0.2)
    return workers


@contextmanager
def demanded(session: SparkSession, control: ControlServer, tasks: int, *, longest_s: float) -> Iterator[None]:
    """So many tasks wait, or run and do nothing, while the body runs, at most ``longest_s``: executors come for them, and none goes."""
    asked = Asked(session)
    host, port, key, over = control.host, control.port, control.key, f"{asked.jobs.tag}/over"

    def stay(rows: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import dlcore.spark.worker  # noqa: F401

        ControlClient(host, port, key, patience_s=longest_s).wait(over)
        yield from rows

    thread = InheritableThread(target=asked.run, args=(tasks, stay), name="dlcore-demand", daemon=True)
    thread.start()
    try:
        yield
    except BaseException:
        asked.cancel()  # where there is no executor, no task comes to its end
        raise
    finally:
        control.post(over, True)
        thread.join(END_S)
        if thread.is_alive():  # a task that does not hear of it, stopped or hung
            asked.cancel()
            thread.join()


class Asked:
    """Jobs of the group's kind, for which Spark keeps the same processes, that do none of its work."""

    def __init__(self, session: SparkSession) -> None:
        self._session, self.jobs, self._cancelled = session, TaggedJobs(session.sparkContext), False

    def run(self, tasks: int, each: Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]) -> int:
        """Run so many tasks, and return the sum of what they give; zero where they cannot run, and a warning says why."""
        try:
            with self.jobs.tagging():
                rows = self._session.range(0, tasks, 1, tasks).mapInArrow(each, "id long").collect()
        except (Py4JError, PySparkException) as error:
            if not self._cancelled:
                log.warning("the Python of executors that have come cannot begin: %s", cause_of(error))
            return 0
        return sum(row.id for row in rows)

    def cancel(self) -> None:
        self._cancelled = True
        self.jobs.cancel()


class Newcomers:
    """Slots that come while a group runs: their Python is started, with what workers import, before a group counts on them.

    ``ready`` is the number of workers that there is Python for. Where executors come on demand, it is started in ``wanted`` slots,
    whether they are there or not: the tasks that start it are what executors come for.
    """

    def __init__(self, session: SparkSession, slots: Callable[[], int], *, wanted: int = 0) -> None:
        self._slots, self._wanted, self._asked = slots, wanted, Asked(session)
        self._starting = threading.Lock()
        self.ready = 0

    def close(self) -> None:
        """Ask for no more."""
        self._asked.cancel()

    @contextmanager
    def watched(self, workers: int, *, begun: Callable[[], bool]) -> Iterator[None]:
        """Look for slots beside those of a group of ``workers`` while the body runs, once all of them have ``begun``."""
        over = threading.Event()
        thread = threading.Thread(target=self._watch, args=(workers, begun, over), name="dlcore-newcomers", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()  # not waited for: a start that is under way goes on beside the next group

    def _watch(self, workers: int, begun: Callable[[], bool], over: threading.Event) -> None:
        while not over.wait(POLL_S):
            if (
                begun()
                and (there := max(self._wanted, self._slots())) > workers
                and self._starting.acquire(blocking=False)
            ):
                try:
                    self.ready = workers + self._asked.run(there - workers, _begin)
                finally:
                    self._starting.release()
                return


def _begin(rows: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """One for a process that is new, zero for one of a group that has just ended, whose slot Spark took for the task."""
    from dlcore.spark.worker import PROCESS

    for _ in rows:
        yield pa.RecordBatch.from_pydict({"id": [int(PROCESS.kept is None)]})
