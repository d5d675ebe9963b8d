import os
from pathlib import Path

from infra import eventlogs


def test_logs_older_than_the_days_kept_are_removed(tmp_path: Path) -> None:
    now = 1_000_000_000.0
    for name, days in (("eventlog_v2_old", 8), ("eventlog_v2_new", 6)):
        (tmp_path / name).mkdir()
        written(tmp_path / name / "events_1.zstd", now - days * eventlogs.DAY_S)
        os.utime(tmp_path / name, (now, now - 9 * eventlogs.DAY_S))
    written(tmp_path / "single", now - 9 * eventlogs.DAY_S)
    assert eventlogs.remove_older(tmp_path, days=7, now=now) == 2
    assert [log.name for log in tmp_path.iterdir()] == ["eventlog_v2_new"]


def written(file: Path, at: float) -> None:
    file.touch()
    os.utime(file, (at, at))


def test_logs_of_sessions_at_work_stay_where_none_are_kept(tmp_path: Path) -> None:
    now = 1_000_000_000.0
    for name, minutes in (("ended", 61), ("at work", 1)):
        written(tmp_path / name, now - 60 * minutes)
    assert eventlogs.remove_older(tmp_path, days=0, now=now) == 1
    assert [log.name for log in tmp_path.iterdir()] == ["at work"]


def test_no_folder_yet_is_no_error(tmp_path: Path) -> None:
    assert eventlogs.remove_older(tmp_path / "not-there", days=7) == 0
