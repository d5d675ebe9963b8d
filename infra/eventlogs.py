"""Spark's event logs, one a step: kept for the days that the setting ``event_log_days`` says, then removed by whoever adds one."""

import shutil
import time
from contextlib import suppress
from pathlib import Path

HOUR_S, DAY_S = 3600, 86_400


def remove_older(folder: Path, *, days: int, now: float | None = None) -> int:
    """Remove the logs last written more than ``days`` before ``now`` (seconds since the epoch); return how many.

    None of the last hour: sessions that are at work write theirs more often.
    """
    oldest = (time.time() if now is None else now) - max(days * DAY_S, HOUR_S)
    removed = 0
    for log in folder.glob("*"):
        with suppress(FileNotFoundError):  # another session is removing it
            if _written(log) < oldest:
                shutil.rmtree(log) if log.is_dir() else log.unlink()
                removed += 1
    return removed


def _written(log: Path) -> float:
    """When a log, a file or a folder of rolled files, was written last."""
    return max(file.stat().st_mtime for file in (log, *log.glob("*")))
