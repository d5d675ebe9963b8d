import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.airflow.service import REPOSITORY
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


def test_the_state_folder_and_what_is_written_there_is_its_users_alone(tmp_path: Path) -> None:
    """A command of the platform's own, and a step by hand; the folder was open before."""
    state = tmp_path / "state"
    state.mkdir(mode=0o755)
    for command in (["infra", "check", "--set", f"state={state}"], ["apps", "fraud", "report", "--ds", "2013-09-01"]):
        environment = os.environ | {"EMBERLINE_STATE": str(state)}
        subprocess.run(
            [sys.executable, "-m", *command], cwd=REPOSITORY, env=environment, capture_output=True, check=False
        )
        assert state.stat().st_mode & 0o777 == 0o700
    (begun,) = state.glob("runs/fraud/by-hand/run.json")
    assert begun.stat().st_mode & 0o777 == 0o600 and begun.parent.stat().st_mode & 0o777 == 0o700
