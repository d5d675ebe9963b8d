"""The driver's ear while a Spark job holds its main thread."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from dlcore.run.board import WAITING
from dlcore.run.chain import Chain
from dlcore.run.commits import Saved
from dlcore.run.control import ControlServer
from dlcore.spark.group import BarrierGroups
from dlcore.step.progress import Progress

log = logging.getLogger("dlcore")
POLL_S = 0.1


class Listener:
    """Takes records and saved states from the control while a group runs, and passes a stop on to the workers."""

    def __init__(self, control: ControlServer, run: str, chain: Chain) -> None:
        self._control, self._run, self._chain = control, run, chain
        self._left = threading.Event()
        self._error: Exception | None = None

    @property
    def stopped(self) -> bool:
        return self._chain.history.stop

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen while the body runs; an error of ``on_progress`` or of a commit stops the run and is raised at the end of the body."""
        self._left.clear()
        thread = threading.Thread(target=self._listen, name="dlcore-listener", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._left.set()
            thread.join()
        if self._error is not None:
            raise self._error

    def _listen(self) -> None:
        over = False
        while not over:
            over = self._left.wait(POLL_S)  # what came before the end is taken after it
            self._take()

    def _take(self) -> None:
        self._pass_on()
        if self._error is None:
            try:
                self._take_records_and_commit()
            except Exception as error:  # noqa: BLE001 - of the user's function or the file system; raised again in the user's thread
                self._error = error
                self._chain.history.stop = True
        if self._chain.history.stop:
            self._control.post(f"{self._run}/stop", True)

    def _pass_on(self) -> None:
        """Log what workers say, but no more at a time than leaves room for all else."""
        for _ in range(WAITING):
            told = self._control.take(f"{self._run}/told")
            if told is None:
                return
            for level, text in told["entries"]:
                log.log(level, "rank %d: %s", told["rank"], text)

    def _take_records_and_commit(self) -> None:
        saved = self._control.look(f"{self._run}/saved")  # first, so that the records up to it are there
        while message := self._control.look(f"{self._run}/progress/{len(self._chain.history.told)}"):
            self._chain.history.add(len(self._chain.history.told), Progress(**message))
        if saved is not None:
            self._chain.extend(Saved.of(saved))


@dataclass(frozen=True)
class HeardGroups:
    """Groups that are listened to while they run.

    A group's state is written beside the next one. When a stop comes as a group ends, there is no next one to write beside: where
    the state is not saved in time, a group follows that sees the stop at once, and waits until it is.
    """

    groups: BarrierGroups
    listener: Listener

    def close(self) -> None:
        """End what listens to workers."""
        self.groups.control.close()

    def __call__(self, start: Saved) -> Saved:
        saved = self._heard(start)
        while self.listener.stopped:
            saved = self.groups.settled(saved)
            if saved.step >= self.groups.ahead:
                break
            saved = self._heard(saved)
        return saved

    def _heard(self, start: Saved) -> Saved:
        with self.listener.listening():
            return self.groups(start)
