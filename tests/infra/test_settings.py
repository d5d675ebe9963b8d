from pathlib import Path

import pytest

from infra.settings import load


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the settings' file is looked for, with no setting in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in ("STATE", "DRIVER_MEMORY"):
        monkeypatch.delenv(f"EMBERLINE_{name}", raising=False)
    return tmp_path / "emberline.toml"


def test_the_file_gives_way_to_the_environment_and_that_to_the_command_line(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text('driver_memory = "2g"')
    assert load().driver_memory == "2g"
    monkeypatch.setenv("EMBERLINE_DRIVER_MEMORY", "3g")
    assert load().driver_memory == "3g"
    assert load(["driver_memory=4g"]).driver_memory == "4g"


def test_the_file_cannot_move_the_state_folder_away_from_make(file: Path) -> None:
    file.write_text('state = "elsewhere"')
    with pytest.raises(ValueError, match="must not name `state`; set EMBERLINE_STATE"):
        load()


def test_an_empty_name_of_the_state_folder_is_none(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBERLINE_STATE", "")
    assert load().state == file.parent / "state"
