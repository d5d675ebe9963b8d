"""How a run is asked to stop: from another thread, by a signal, or by a file. It stops after a step that is the same on all workers."""

import logging
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from dlcore.storage.folder import Folder

log = logging.getLogger("dlcore")
FILE, LOOK_S = "stop", 1.0
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop(threading.Event):
    """Asks a run to stop once it is ``set``, from any thread: ``fit(..., stop=Stop())``."""


class StopRequests:
    """Whether a run is asked to stop: by ``stop``, by a signal, or by a file ``stop`` in its folder, which is then deleted."""

    def __init__(self, stop: Stop | None, folder: Folder) -> None:
        self._stops = [Stop(), *([] if stop is None else [stop])]
        self._folder, self._next_look = folder, 0.0

    @property
    def asked(self) -> bool:
        return any(stop.is_set() for stop in self._stops) or self._file_asks()

    def ask(self, why: str) -> None:
        log.warning("%s: the run stops after this step, with a commit", why)
        self._stops[0].set()

    def _file_asks(self) -> bool:
        """Look for the file, not at each step."""
        now = time.monotonic()
        if now < self._next_look:
            return False
        self._next_look = now + LOOK_S
        if there := self._folder.exists(FILE):
            self._folder.delete(FILE)
            self.ask(f"the file {FILE} was put into {self._folder.where}")
        return there

    @contextmanager
    def heeding_signals(self) -> Iterator[None]:
        """SIGINT and SIGTERM ask for a stop while the body runs, and are delivered after it; a second one is delivered at once.

        Only the main thread gets signals, and what a process ignores it goes on to ignore.
        """
        main = threading.current_thread() is threading.main_thread()
        before = {each: signal.getsignal(each) or signal.SIG_DFL for each in SIGNALS if main}
        heeded = {each: handler for each, handler in before.items() if handler is not signal.SIG_IGN}
        came: list[int] = []

        def heed(number: int, _: FrameType | None) -> None:
            came.append(number)
            signal.signal(number, before[signal.Signals(number)])
            self.ask(f"{signal.Signals(number).name} came, and will be delivered then")

        for each in heeded:
            signal.signal(each, heed)
        try:
            yield
        finally:
            for each, handler in heeded.items():
                signal.signal(each, handler)
            if came:
                signal.raise_signal(came[0])
