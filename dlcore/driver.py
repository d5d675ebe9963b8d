"""The driver's loop: groups from commit to commit, until the last step or a stop."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from dlcore.commits import Commit, Commits, Saved
from dlcore.control import Switchboard
from dlcore.progress import Progress

log = logging.getLogger("dlcore")
POLL_S = 0.1

OnProgress = Callable[[Progress], object]


@dataclass
class Records:
    """The records of a run in order, each told once: to the log and to ``on_progress``, whose True asks for a stop."""

    on_progress: OnProgress | None
    told: list[Progress] = field(default_factory=list)
    stop: bool = False

    def add(self, number: int, progress: Progress) -> None:
        """Take record ``number``; one that is known already (a group that ran again) changes nothing."""
        if number != len(self.told):
            return
        self.told.append(progress)
        log.info("%s", progress)
        if self.on_progress is not None and self.on_progress(progress) is True:
            self.stop = True


def advance(
    commits: Commits, commit: Commit, *, steps: int, group: Callable[[Saved], Saved], records: Records
) -> Commit:
    """Run groups until ``steps`` steps are done or a stop is asked for, sealing a commit after each."""
    while commit.step < steps and not records.stop:
        saved = group(commit.saved)
        if saved.step == commit.step:
            continue
        commit = commits.seal(
            saved, settings=commit.settings, history=tuple(r for r in records.told if r.step <= saved.step)
        )
    return commit


class Listener:
    """Takes records from the switchboard while a group runs, and passes a stop on to the workers."""

    def __init__(self, switchboard: Switchboard, run: str, records: Records) -> None:
        self._switchboard, self._run, self._records = switchboard, run, records
        self._left = threading.Event()
        self._error: Exception | None = None
        self._tuning_told = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen while the body runs; an error of ``on_progress`` stops the run and is raised at the end of the body."""
        self._left.clear()
        thread = threading.Thread(target=self._listen, name="dlcore-listener", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._left.set()
            thread.join()
        self._take()
        if self._error is not None:
            raise self._error

    def _listen(self) -> None:
        while not self._left.wait(POLL_S):
            self._take()

    def _take(self) -> None:
        if not self._tuning_told and (tuned := self._switchboard.look(f"{self._run}/tuned")) is not None:
            log.info("workers are set up like %s", tuned)
            self._tuning_told = True
        while self._error is None:
            number = len(self._records.told)
            message = self._switchboard.look(f"{self._run}/progress/{number}")
            if message is None:
                break
            try:
                self._records.add(number, Progress(**message))
            except Exception as error:  # noqa: BLE001 - the user's function; raised again in the user's thread
                self._error = error
                self._records.stop = True
        if self._records.stop:
            self._switchboard.post(f"{self._run}/stop", True)
