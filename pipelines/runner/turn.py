"""Turns at one step instance of a run: one try at a time, so that none writes where another is still at work.

A turn is a lock on a file, which the kernel releases when its holder ends, however it ends; a try never has to clean up
after another that was killed.
"""

import fcntl
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

POLL_S = 0.2

log = logging.getLogger(__name__)


class Taken(RuntimeError):
    """Another try of the same step instance is at work, and did not end while this one waited."""


@contextmanager
def turn(file: Path, *, patience_s: float = 60.0) -> Iterator[None]:
    """Hold the lock on ``file``; wait at most ``patience_s`` for who holds it, then raise ``Taken`` with who that is."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+") as lock:  # not "w": who waits must not erase the holder's name
        if not _locked(lock):
            log.warning("waiting for another try of %s: %s", file.stem, _holder(file))
            _wait(lock, file, patience_s)
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {socket.gethostname()}")
        lock.flush()
        yield


def ended(folder: Path) -> list[str]:
    """The step instances that have had their turn and hold it no more, by the locks in ``folder``."""
    return [file.stem for file in sorted(folder.glob("*.lock")) if _is_free(file)]


def _is_free(file: Path) -> bool:
    with file.open("a+") as lock:
        return _locked(lock)


def _wait(lock: TextIO, file: Path, patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while not _locked(lock):
        if time.monotonic() > deadline:
            raise Taken(
                f"another try of {file.stem} is at work and did not end within {patience_s:g} s: {_holder(file)}; "
                "wait until it has ended, or end that process, then run the step again"
            )
        time.sleep(POLL_S)


def _locked(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(file: Path) -> str:
    return file.read_text() or "a process that has not written its name yet"
