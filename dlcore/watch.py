"""When a group shall end before its last step: its time is up, or the driver asks for a stop."""

import threading
import time
from types import TracebackType
from typing import Self

from dlcore.control import Line

POLL_S = 0.25


class Watch:
    """Called at each step; a thread of its own asks the driver, so that a step never waits for an answer."""

    def __init__(self, line: Line, run: str, *, longest_s: float) -> None:
        self._line, self._run = line, run
        self._deadline = time.monotonic() + longest_s
        self.asked, self._lost = False, ""
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="dlcore-watch", daemon=True)

    def __call__(self) -> bool:
        if self._lost:
            raise ConnectionError(f"the driver does not answer any more: {self._lost}")
        return self.asked or time.monotonic() > self._deadline

    def __enter__(self) -> Self:
        self._look()  # a group that begins after a stop sees it on every worker, however short it is
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()
        self._thread.join()

    def _poll(self) -> None:
        while not self._left.wait(POLL_S):
            try:
                self._look()
            except RuntimeError as error:  # torch's DistError: the store's server is gone
                self._lost = str(error)
                return

    def _look(self) -> None:
        self.asked = self.asked or self._line.look(f"{self._run}/stop") is not None
