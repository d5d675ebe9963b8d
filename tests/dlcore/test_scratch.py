"""Temporary folders: gone with their body, and gone when the process that made them was killed."""

import tempfile
from pathlib import Path

import pytest

from dlcore.scratch import temporary


def test_a_folder_is_there_while_it_is_used_and_one_without_a_user_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for killed in ("dlcore-1", "another-1"):
        (tmp_path / killed / "data").mkdir(parents=True)
        (tmp_path / killed / "owned").touch()
    with temporary() as one, temporary() as other:
        assert {path.name for path in tmp_path.iterdir()} == {one.name, other.name, "another-1"}
    assert [path.name for path in tmp_path.iterdir()] == ["another-1"]
