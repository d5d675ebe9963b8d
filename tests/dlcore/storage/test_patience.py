"""A moment's failure is tried again, what would fail again is not."""

import errno
from pathlib import Path

import pytest

from dlcore.storage.folder import Folder
from dlcore.storage.patience import momentary
from tests.dlcore.storage.unsteady import OPERATIONS, unsteady


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError("AWS Error SLOW_DOWN"), True),
        (ConnectionResetError(errno.ECONNRESET, "reset"), True),
        (TimeoutError("no answer"), True),
        (OSError(errno.EIO, "input/output error"), True),
        (FileNotFoundError("none"), False),
        (PermissionError("not yours"), False),
        (OSError(errno.ENOSPC, "no space left"), False),
        (ValueError("a bug"), False),
    ],
)
def test_what_is_worth_another_try(error: Exception, expected: bool) -> None:
    assert momentary(error) is expected


def test_a_folder_on_a_system_that_fails_now_and_then_is_a_folder(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    system, calls = unsteady(2)
    folder = Folder(str(tmp_path), system, single_writer=True)
    folder.write("a", b"content")
    assert folder.read("a") == b"content"
    assert (folder.names(), folder.exists("a")) == (["a"], True)
    assert folder.create("b", b"mine")
    folder.copy("a", tmp_path / "c", lambda: None)
    folder.delete("a")
    (folder / "sub").put("d", b"")
    (folder / "sub").remove()
    assert folder.names() == ["b", "c"]
    assert {name for name, count in calls.calls.items() if count > 2} == {*OPERATIONS}
    assert "storage failed and is tried again: [Errno 5] AWS Error SLOW_DOWN" in caplog.messages


def test_a_full_disk_is_said_at_once(tmp_path: Path) -> None:
    system, calls = unsteady(1, OSError(errno.ENOSPC, "no space left"))
    with pytest.raises(OSError, match="no space left"):
        Folder(str(tmp_path), system).put("a", b"")
    assert calls.calls["create_dir"] == 1
