"""The driver's ear while a Spark job runs: it listens in the caller's thread, and the job is waited for in another."""

import logging
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import TypeVar

from pyspark import InheritableThread

from dlcore.run.board import WAITING
from dlcore.run.chain import Chain
from dlcore.run.commits import Saved
from dlcore.run.control import ControlServer
from dlcore.spark.group import SparkGroups
from dlcore.step.progress import Progress

log = logging.getLogger("dlcore")
POLL_S = 0.1


class Listener:
    """Takes records and saved states from the control while a group runs, and passes a stop on to the workers."""

    def __init__(self, control: ControlServer, run: str, chain: Chain) -> None:
        self._control, self._run, self._chain = control, run, chain
        self._error: Exception | None = None

    @property
    def stopped(self) -> bool:
        return self._chain.history.stop

    def during(self, group: Callable[[], Saved]) -> Saved:
        """What ``group`` returns, while this thread listens.

        An error of a callback's or of a commit stops the run, and is raised once the group has ended.
        """
        saved = beside(group, self._take)
        if self._error is not None:
            raise self._error
        return saved

    def _take(self) -> None:
        pass_on(self._control, self._run)
        stop = True
        if self._error is None:
            try:
                self._take_records_and_commit()
                stop = self._chain.history.stop
            except Exception as error:  # noqa: BLE001 - of a callback or the file system; raised again when the workers have stopped
                self._error = error
        if stop:
            self._control.post(f"{self._run}/stop", True)

    def _take_records_and_commit(self) -> None:
        saved = self._control.look(f"{self._run}/saved")  # first, so that the records up to it are there
        while message := self._control.look(f"{self._run}/progress/{len(self._chain.history.told)}"):
            self._chain.history.add(len(self._chain.history.told), Progress(**message))
        if saved is not None:
            self._chain.extend(Saved.of(saved))


T = TypeVar("T")


def beside(job: Callable[[], T], listen: Callable[[], None]) -> T:
    """What ``job`` returns, which runs in a thread of its own, with the caller's properties of jobs; this one listens until its end."""
    ended: Future[T] = Future()
    thread = InheritableThread(target=_into, args=(ended, job), name="dlcore-group", daemon=True)
    thread.start()
    while not wait([ended], timeout=POLL_S).done:
        listen()
    listen()  # to what came before the end
    thread.join()
    return ended.result()


def pass_on(control: ControlServer, run: str) -> None:
    """Log what workers say, but no more at a time than leaves room for all else."""
    for _ in range(WAITING):
        told = control.take(f"{run}/told")
        if told is None:
            return
        for level, text in told["entries"]:
            log.log(level, "rank %d: %s", told["rank"], text)


def _into(ended: "Future[T]", job: Callable[[], T]) -> None:
    try:
        ended.set_result(job())
    except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
        ended.set_exception(error)


@dataclass(frozen=True)
class HeardGroups:
    """Groups that are listened to while they run.

    A group's state is written beside the next one. When a stop comes as a group ends, there is no next one to write beside: where
    the state is not saved in time, a group follows that sees the stop at once, and waits until it is.
    """

    groups: SparkGroups
    listener: Listener

    def close(self) -> None:
        """End what listens to workers, or waits for executors."""
        self.groups.close()

    def __call__(self, start: Saved) -> Saved:
        saved = self._heard(start)
        while self.listener.stopped:
            saved = self.groups.settled(saved)
            if saved.step >= self.groups.ahead:
                break
            saved = self._heard(saved)
        return saved

    def _heard(self, start: Saved) -> Saved:
        return self.listener.during(lambda: self.groups(start))
