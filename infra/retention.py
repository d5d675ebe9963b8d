"""What the platform leaves behind: kept for the days that the settings say, then removed by whoever adds to it."""

import shutil
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from infra.settings import Settings

HOUR_S, DAY_S = 3600, 86_400
KEPT = ("outcomes", "locks", "run.json")
"""What a run says of itself, which reports and later runs read; the rest of its folder are frames."""


def retire(settings: Settings, *, now: float | None = None) -> int:
    """Remove event logs, Airflow's logs, reports and runs' frames that are older than the settings keep; return how many."""
    return (
        remove_older(settings.events, "*", days=settings.event_log_days, now=now)
        + remove_older(settings.state / "airflow" / "logs", "dag_id=*/run_id=*", days=settings.log_days, now=now)
        + remove_older(settings.reports, "*/*.html", days=settings.report_days, now=now)
        + remove_older(settings.runs, "*/*/*", days=settings.frame_days, but=KEPT, now=now)
    )


def remove_older(folder: Path, pattern: str, *, days: int, but: Collection[str] = (), now: float | None = None) -> int:
    """Remove what was last written more than ``days`` before ``now`` (seconds since the epoch); return how many.

    None of the last hour: steps that are at work write theirs more often.
    """
    oldest = (time.time() if now is None else now) - max(days * DAY_S, HOUR_S)
    removed = 0
    for found in folder.glob(pattern):
        with suppress(FileNotFoundError):  # another step is removing it
            if found.name not in but and found.lstat().st_mtime < oldest and _written(found) < oldest:
                shutil.rmtree(found) if found.is_dir() else found.unlink()
                removed += 1
    return removed


def _written(found: Path) -> float:
    """When a file, or a folder with all it holds, was written last."""
    return max(file.lstat().st_mtime for file in (found, *found.rglob("*")))
