"""Temporary folders: gone with their last user, and gone when the process that made them was killed."""

import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dlcore.storage.scratch import Shared, temporary


@pytest.fixture(autouse=True)
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("SPARK_LOCAL_DIRS", raising=False)


def test_a_folder_is_there_while_it_is_used_and_one_without_a_user_goes(tmp_path: Path) -> None:
    for killed in ("dlcore-1", "another-1"):
        (tmp_path / killed / "data").mkdir(parents=True)
        (tmp_path / killed / "owned").touch()
    with temporary() as one, temporary() as other:
        assert {path.name for path in tmp_path.iterdir()} == {one.name, other.name, "another-1"}
    assert [path.name for path in tmp_path.iterdir()] == ["another-1"]


def test_the_first_fills_a_shared_folder_and_the_last_removes_it(tmp_path: Path) -> None:
    together, filled = threading.Barrier(4), []

    def enter(_: int) -> Shared:
        together.wait()
        return Shared("rows", lambda place: filled.append((place / "piece").write_text("whole")))

    with ThreadPoolExecutor(4) as pool:  # a lock is one opening's, whichever process it is in
        users = list(pool.map(enter, range(4)))
    assert len(filled) == 1
    for user in users:
        assert (users[0].place / "piece").read_text() == "whole"
        user.leave()
    assert list(tmp_path.iterdir()) == []


def test_users_that_come_and_go_always_find_it_whole(tmp_path: Path) -> None:
    def come_and_go(_: int) -> bool:
        user = Shared("rows", lambda place: (place / "piece").write_text("whole"))
        found = (user.place / "piece").read_text() == "whole"
        user.leave()
        return found

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(come_and_go, range(400)))
    assert list(tmp_path.iterdir()) == []


def test_what_could_not_be_filled_is_filled_anew() -> None:
    def fail(place: Path) -> None:
        (place / "piece").write_text("ha")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        Shared("rows", fail)
    user = Shared("rows", lambda place: (place / "piece").write_text("whole"))
    assert (user.place / "piece").read_text() == "whole"
    user.leave()


def test_who_comes_after_one_that_failed_or_was_killed_has_what_that_one_had(tmp_path: Path) -> None:
    def break_off(place: Path) -> None:
        (place / "first").write_text("whole")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Shared("rows", break_off)
    user = Shared("rows", lambda place: (place / "second").write_text((place / "first").read_text()))
    assert (user.place / "second").read_text() == "whole"
    with pytest.raises(KeyboardInterrupt):
        Shared("others", break_off)
    another = Shared("more", lambda place: None)
    for each in (user, another):
        each.leave()
    assert list(tmp_path.iterdir()) == [], "who wants another content removes what nobody came back for"
