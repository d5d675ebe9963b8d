import os
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.setup.provisions import Provision, cache_folder, run, undone


def provision(folder: Path, *inputs: str, make: Callable[[], None] | None = None) -> Provision:
    result = folder / "result"
    return Provision(name="one", inputs=inputs, make=make or result.touch, present=result.exists)


def test_a_stage_that_is_done_is_not_done_again(tmp_path: Path) -> None:
    run(undone([provision(tmp_path, "a")], tmp_path), tmp_path)
    assert undone([provision(tmp_path, "a")], tmp_path) == []


def test_other_inputs_or_a_missing_result_undo_a_stage(tmp_path: Path) -> None:
    run([provision(tmp_path, "a")], tmp_path)
    assert [one.name for one in undone([provision(tmp_path, "b")], tmp_path)] == ["one"]
    (tmp_path / "result").unlink()
    assert [one.name for one in undone([provision(tmp_path, "a")], tmp_path)] == ["one"]


def test_a_stage_that_broke_off_is_to_be_done_even_where_an_older_stamp_stood(tmp_path: Path) -> None:
    run([provision(tmp_path, "a")], tmp_path)

    def breaks_off() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run([provision(tmp_path, "a", make=breaks_off)], tmp_path)
    assert [one.name for one in undone([provision(tmp_path, "a")], tmp_path)] == ["one"]


def test_the_cache_is_the_users_or_the_named_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("EMBERLINE_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == Path(os.path.expanduser("~/.cache/emberline"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "emberline"
    monkeypatch.setenv("EMBERLINE_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
