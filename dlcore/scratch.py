"""Temporary folders of this machine: a lock says that somebody works in one, and who comes next removes what a killed process left."""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

PREFIX = "dlcore-"
OWNED = "owned"
"""The file whose lock its process holds; it has this name only once it is locked."""


@contextmanager
def temporary() -> Iterator[Path]:
    """A new temporary folder for as long as the body lasts; those whose processes were killed are removed first."""
    sweep(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=PREFIX) as place, (Path(place) / "new").open("w") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        (Path(place) / "new").rename(Path(place) / OWNED)
        yield Path(place)


def sweep(parent: Path) -> None:
    """Remove those of our folders in ``parent`` that no living process holds."""
    for file in parent.glob(f"{PREFIX}*/{OWNED}"):
        try:
            with file.open("r+") as owner:
                if _locked(owner):
                    shutil.rmtree(file.parent, ignore_errors=True)
        except OSError:  # of another user, or just removed by another process
            continue


def _locked(owner: IO[str]) -> bool:
    """Whether the lock was free."""
    try:
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
