"""Spark's event logs, one a step: kept for the days that the setting ``event_log_days`` says, then removed."""

import shutil
import time
from pathlib import Path

DAY_S = 86_400


def remove_older(folder: Path, *, days: int, now: float | None = None) -> int:
    """Remove the logs last written more than ``days`` before ``now`` (seconds since the epoch); return how many."""
    oldest = (time.time() if now is None else now) - days * DAY_S
    old = [log for log in folder.glob("*") if log.stat().st_mtime < oldest]
    for log in old:
        shutil.rmtree(log) if log.is_dir() else log.unlink()
    return len(old)
