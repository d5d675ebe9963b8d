"""What workers print, warn of and log, passed on to the driver's log. A step never waits for it: of too many lines some are left out."""

import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO, TypeAlias, cast

POLL_S = 0.25
LINES, CHARACTERS = 200, 2000
"""How many lines of a worker are kept for the driver, and how much of each."""

Entry: TypeAlias = tuple[int, str]
"""A line and its level."""


class Lines:
    """Lines on their way to the driver; ``send`` takes some of them, or says by False that it cannot now."""

    def __init__(self, send: Callable[[list[Entry]], bool]) -> None:
        self._send, self._lock = send, threading.Lock()
        self._entries, self._missed = list[Entry](), 0

    def add(self, level: int, text: str) -> None:
        with self._lock:
            if len(self._entries) < LINES:
                self._entries.append((level, text[:CHARACTERS]))
            else:
                self._missed += 1

    def send(self) -> None:
        with self._lock:
            entries, missed = self._entries, self._missed
            self._entries, self._missed = [], 0
        if missed:
            entries = [*entries, (logging.WARNING, f"{missed} more lines were left out")]
        if entries and not self._send(entries):
            with self._lock:
                self._missed += missed + len(entries) - bool(missed)


class Printed:
    """The process's standard output, of which whole lines are taken too."""

    def __init__(self, stream: TextIO, lines: Lines) -> None:
        self._stream, self._lines, self._begun = stream, lines, ""

    def write(self, text: str) -> int:
        *whole, self._begun = (self._begun + text).split("\n")
        for line in whole:
            self._lines.add(logging.INFO, line)
        return self._stream.write(text)

    def end(self) -> None:
        """Take the line that has only begun."""
        if self._begun:
            self._lines.add(logging.INFO, self._begun)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Logged(logging.StreamHandler[TextIO]):
    """Log records, written to the process's standard error as Python does, and taken too."""

    def __init__(self, lines: Lines) -> None:
        super().__init__(sys.stderr)
        self._lines = lines
        self.setFormatter(logging.Formatter("%(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        self._lines.add(record.levelno, self.format(record).rstrip())


@contextmanager
def relayed(send: Callable[[list[Entry]], bool]) -> Iterator[None]:
    """Take what the body prints, warns of and logs, and ``send`` it from a thread of its own; the rest at the end."""
    lines, over = Lines(send), threading.Event()
    thread = threading.Thread(target=_keep_sending, args=(lines, over), name="dlcore-relay", daemon=True)
    thread.start()
    handler = Logged(lines)
    logging.getLogger().addHandler(handler)
    printed = Printed(sys.stdout, lines)
    try:
        with redirect_stdout(cast(TextIO, printed)), _warned(lines):
            yield
    finally:
        printed.end()
        logging.getLogger().removeHandler(handler)
        over.set()
        thread.join()


@contextmanager
def _warned(lines: Lines) -> Iterator[None]:
    """Take warnings; they are shown as before too."""
    show = warnings.showwarning

    def taken(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        show(message, category, filename, lineno, file, line)
        lines.add(logging.WARNING, warnings.formatwarning(message, category, filename, lineno, line).rstrip())

    warnings.showwarning = taken
    try:
        yield
    finally:
        warnings.showwarning = show


def _keep_sending(lines: Lines, over: threading.Event) -> None:
    ended = False
    while not ended:
        ended = over.wait(POLL_S)
        try:
            lines.send()
        except ConnectionError:  # the driver is gone, and nobody is left to be told
            return
