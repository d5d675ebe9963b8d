"""A worker's signs of life, and when a group shall end before its last step: its time is up, an executor is about to go, or the driver
asks for a stop."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from dlcore.run.control import ControlClient, LostDriver
from dlcore.run.rendezvous import leaving

POLL_S = 0.25


class Heartbeat:
    """Called at each step; a thread of its own talks with the driver, so that a step never waits for an answer.

    ``computed`` tells how many batches this process has computed, of training and of validation. The run shall stop where that is
    ``asked``; where processes are ``leaving``, it goes on in others.
    """

    def __init__(
        self, control: ControlClient, computed: Callable[[], int], *, run: str, group: str, longest_s: float
    ) -> None:
        self._control, self._computed, self._run, self._group = control, computed, run, group
        self._deadline = time.monotonic() + longest_s
        self.asked = self.leaving = False
        self._lost = ""
        self._counted, self.writing = computed(), False
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="dlcore-heartbeat", daemon=True)

    def __call__(self) -> bool:
        if self._lost:
            raise LostDriver(self._lost)
        return self.asked or self.leaving or time.monotonic() > self._deadline

    def __enter__(self) -> Self:
        self.look()  # a group that begins after a stop sees it on every worker, however short it is
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
                self.look()
                self._tell()
            except LostDriver as error:
                self._lost = str(error)
                return

    def look(self) -> None:
        """Ask the driver; what made one worker end the group is seen by all that look after its end."""
        self.asked = self.asked or self._control.look(f"{self._run}/stop") is not None
        self.leaving = self.leaving or self._control.look(leaving(self._group)) is not None

    def _tell(self) -> None:
        """Count what happened since the last time; writing a state counts always, since a file system has deadlines of its own."""
        before, self._counted = self._counted, self._computed()
        if self._counted > before or self.writing:
            self._control.count(f"{self._group}/signs")
