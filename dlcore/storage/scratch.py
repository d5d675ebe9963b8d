"""Temporary folders of this machine: a lock says that somebody works in one, and who comes next removes what a killed process left."""

import fcntl
import os
import shutil
import tempfile
import uuid
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "dlcore-"
OWNED = "owned"
"""The file that those who use a folder hold a lock on; a folder of one process has it once that is so."""


@contextmanager
def temporary() -> Iterator[Path]:
    """A new temporary folder for as long as the body lasts; those whose processes were killed are removed first."""
    sweep(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=PREFIX) as place, (Path(place) / "new").open("w") as owner:
        fcntl.flock(owner, fcntl.LOCK_SH)
        (Path(place) / "new").rename(Path(place) / OWNED)
        yield Path(place)


class Shared:
    """A folder that this machine's processes use together: ``fill`` is called by the first, and the last to leave removes it.

    It is named by its content. In a Spark task it is in a folder of the executor's, which Spark removes at the latest. What ``fill``
    has done when it fails or is killed stays for the next that calls it, until somebody comes who wants another content.
    """

    def __init__(self, content: str, fill: Callable[[Path], object]) -> None:
        room = Path(os.environ.get("SPARK_LOCAL_DIRS", "").partition(",")[0] or tempfile.gettempdir())
        self.place = room / f"{PREFIX}{content}-{os.getuid()}"
        sweep(room, but=self.place)
        owner = _entered(self.place)
        try:
            with (self.place / "filling").open("w") as filling:
                fcntl.flock(filling, fcntl.LOCK_EX)
                if not (self.place / "full").exists():
                    fill(self.place)
                    (self.place / "full").touch()
        except BaseException:
            os.close(owner)
            raise
        self.leave = weakref.finalize(self, _leave, owner, self.place)


def sweep(parent: Path, *, but: Path | None = None) -> None:
    """Remove those of our folders in ``parent`` that no process uses, ``but`` one."""
    for file in parent.glob(f"{PREFIX}*/{OWNED}"):
        if file.parent == but:
            continue
        try:
            owner = os.open(file, os.O_RDWR)
        except OSError:  # of another user, or just removed by another process
            continue
        _leave(owner, file.parent)


def _entered(place: Path) -> int:
    """Our lock on ``place``, which others may just be removing."""
    place.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with suppress(FileExistsError):
            place.mkdir(0o700)
        try:
            if (user := place.stat().st_uid) != os.getuid():
                raise PermissionError(f"{place} must be a folder of this user, got one of user {user}; remove it")
            owner = os.open(place / OWNED, os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:
            continue
        fcntl.flock(owner, fcntl.LOCK_SH)
        if _is(owner, place / OWNED):
            return owner
        os.close(owner)


def _is(opened: int, file: Path) -> bool:
    """Whether a file that was opened is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(opened), file.stat())
    except FileNotFoundError:
        return False


def _leave(owner: int, place: Path) -> None:
    """Give up a lock, and remove the folder if nobody else has one: under another name, so that nobody enters it meanwhile."""
    try:
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is(owner, place / OWNED):
            shutil.rmtree(place.rename(place.with_name(f"{PREFIX}{uuid.uuid4().hex}")), ignore_errors=True)
    except BlockingIOError:
        pass
    finally:
        os.close(owner)
