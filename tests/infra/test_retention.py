import os
from pathlib import Path

from infra import retention
from infra.settings import Settings


def test_logs_older_than_the_days_kept_are_removed(tmp_path: Path) -> None:
    now = 1_000_000_000.0
    for name, days in (("eventlog_v2_old", 8), ("eventlog_v2_new", 6)):
        (tmp_path / name).mkdir()
        written(tmp_path / name / "events_1.zstd", now - days * retention.DAY_S)
        os.utime(tmp_path / name, (now, now - 9 * retention.DAY_S))
    written(tmp_path / "single", now - 9 * retention.DAY_S)
    assert retention.remove_older(tmp_path, "*", days=7, now=now) == 2
    assert [log.name for log in tmp_path.iterdir()] == ["eventlog_v2_new"]


def written(file: Path, at: float) -> None:
    file.touch()
    os.utime(file, (at, at))


def test_logs_of_sessions_at_work_stay_where_none_are_kept(tmp_path: Path) -> None:
    now = 1_000_000_000.0
    for name, minutes in (("ended", 61), ("at work", 1)):
        written(tmp_path / name, now - 60 * minutes)
    assert retention.remove_older(tmp_path, "*", days=0, now=now) == 1
    assert [log.name for log in tmp_path.iterdir()] == ["at work"]


def test_no_folder_yet_is_no_error(tmp_path: Path) -> None:
    assert retention.remove_older(tmp_path / "not-there", "*", days=7) == 0


def test_each_kind_is_kept_for_its_own_days_and_what_a_run_says_of_itself_for_ever(tmp_path: Path) -> None:
    now = 1_000_000_000.0
    settings = Settings(state=tmp_path, event_log_days=1, log_days=2, frame_days=3, report_days=4)
    places = {
        settings.events: ("eventlog_v2_a", 1),
        tmp_path / "airflow" / "logs" / "dag_id=d": ("run_id=r", 2),
        settings.runs / "fraud" / "r": ("split", 3),
        settings.reports / "fraud": ("r.html", 4),
    }
    for folder, (name, days) in places.items():
        for age, file in ((days + 1, name), (days - 0.5, f"later{name}" if name != "r.html" else "later.html")):
            folder.mkdir(parents=True, exist_ok=True)
            written(folder / file, now - age * retention.DAY_S)
    (settings.runs / "fraud" / "r" / "outcomes").mkdir()
    written(settings.runs / "fraud" / "r" / "outcomes" / "split.json", 0)
    os.utime(settings.runs / "fraud" / "r" / "outcomes", (0, 0))
    assert retention.retire(settings, now=now) == 4
    assert retention.retire(settings, now=now) == 0
    assert sorted(file.name for file in (settings.runs / "fraud" / "r").iterdir()) == ["latersplit", "outcomes"]
