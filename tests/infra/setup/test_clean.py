import json
from pathlib import Path

import pytest

from infra.setup import clean


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EMBERLINE_STATE", str(tmp_path))
    for paths in clean.KINDS.values():
        for path in paths:
            (tmp_path / path.replace("*", "fraud")).mkdir(parents=True, exist_ok=True)
    return tmp_path


def test_each_kind_removes_its_own_and_nothing_else(state: Path) -> None:
    clean.main(["runs"])
    assert not (state / "runs").exists()
    for kept in ("warehouse", "registry", "airflow", "landing", "venv"):
        assert (state / kept).is_dir()


def test_data_of_every_app_are_fetched_again(state: Path) -> None:
    clean.main(["data"])
    assert not (state / "setup" / "data-fraud").exists() and not (state / "landing").exists()
    assert (state / "setup").is_dir()


def test_all_removes_the_whole_state(state: Path) -> None:
    clean.main(["all"])
    assert not state.exists()


def test_an_empty_name_of_the_state_folder_is_none(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (state / "state").mkdir()
    monkeypatch.chdir(state)
    monkeypatch.setenv("EMBERLINE_STATE", "")
    clean.main(["all"])
    assert not (state / "state").exists()
    assert (state / "registry").is_dir()


def test_nothing_is_removed_without_a_known_kind(state: Path) -> None:
    for kinds in ([], ["everything"]):
        with pytest.raises(SystemExit, match="KIND, one of runs, tables"):
            clean.main(kinds)
    assert (state / "runs").is_dir()


@pytest.mark.parametrize("service", ["airflow", "hbase"])
def test_a_running_service_keeps_its_state(service: str, state: Path) -> None:
    (state / service / "service.json").write_text(json.dumps({"pid": 1}))
    with pytest.raises(SystemExit, match="make stop"):
        clean.main(["runs"])
    assert (state / "runs").is_dir()
