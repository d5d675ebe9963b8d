import os
from pathlib import Path

from infra import eventlogs


def test_logs_older_than_the_days_kept_are_removed(tmp_path: Path) -> None:
    now = 1_000_000_000.0
    for name, days in (("eventlog_v2_old", 8), ("eventlog_v2_new", 6)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "events_1.zstd").touch()
        os.utime(tmp_path / name, (now, now - days * eventlogs.DAY_S))
    (tmp_path / "single").touch()
    os.utime(tmp_path / "single", (now, now - 9 * eventlogs.DAY_S))
    assert eventlogs.remove_older(tmp_path, days=7, now=now) == 2
    assert [log.name for log in tmp_path.iterdir()] == ["eventlog_v2_new"]


def test_no_folder_yet_is_no_error(tmp_path: Path) -> None:
    assert eventlogs.remove_older(tmp_path / "not-there", days=7) == 0
