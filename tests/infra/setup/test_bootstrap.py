import ast
import subprocess
import sys
from pathlib import Path

import pytest

from infra.settings import load
from infra.setup import bootstrap, provisions

AS_AN_OLDER_PYTHON = """
import runpy, sys
sys.version_info = (3, 9, 18, "final", 0)
runpy.run_module("infra.setup.bootstrap", run_name="__main__")
"""


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder with the real installer, an empty environment, and nothing that says it was set up."""
    state = tmp_path / "state"
    (state / "setup").mkdir(parents=True)
    (state / "tools").symlink_to(load().state / "tools")
    monkeypatch.setenv("EMBERLINE_STATE", str(state))
    monkeypatch.delenv("EMBERLINE_TORCH", raising=False)
    environment(state / "venv")
    return state


def environment(folder: Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return folder


def stamp(state: Path, torch: str) -> None:
    """Say of every provision but the transactions that it is done."""
    (state / "venv" / "jre" / "bin").mkdir(parents=True)
    (state / "venv" / "jre" / "bin" / "java").touch()
    (state / "landing" / "images").mkdir(parents=True)
    for day in ("2024-03-01", "2024-03-02"):
        (state / "landing" / "images" / f"ds={day}").mkdir()
    for provision in bootstrap.plan(state, torch):
        if provision.name != "data-fraud":
            provisions.replace(state / "setup" / provision.name, provision.fingerprint)


def test_an_older_python_is_refused_with_a_sentence(state: Path) -> None:
    ast.parse(Path(bootstrap.__file__).read_text(), feature_version=(3, 8))
    command = [sys.executable, "-c", AS_AN_OLDER_PYTHON]
    ended = subprocess.run(command, cwd=bootstrap.REPOSITORY, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("Python must be 3.11 to 3.13, got 3.")


@pytest.mark.parametrize("name", ["VIRTUAL_ENV", "UV_PYTHON"])
def test_packages_go_to_the_platforms_environment_whichever_the_user_is_in(
    name: str, state: Path, tmp_path: Path, changed_wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = environment(tmp_path / "users")
    monkeypatch.setenv(name, str(users))
    bootstrap.uv_pip(state, "install", "--no-index", str(changed_wheel))
    assert list(state.glob("venv/lib/*/site-packages/*.dist-info"))
    assert not list(users.glob("lib/*/site-packages/*"))


def test_an_index_out_of_reach_is_said_also_after_a_broken_off_installation(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:1/simple/")
    with pytest.raises(SystemExit, match=r"lacks:\n(.*\n)*.*index on 127\.0\.0\.1 must be reachable"):
        bootstrap.main()


def test_other_transactions_end_set_up_with_a_sentence_and_leave_the_choice_of_torch(
    state: Path, changed_wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamp(state, "cpu")
    assert [provision.name for provision in provisions.undone(bootstrap.plan(state, "cpu"), state / "setup")] == [
        "data-fraud"
    ]
    with pytest.raises(
        SystemExit, match=r"set-up stopped: the card transactions .* must have md5 .*; nothing was kept"
    ):
        bootstrap.set_up(state, "cpu")
    assert bootstrap.build(state) == "cpu"
    monkeypatch.setenv("EMBERLINE_TORCH", "cuda")
    assert bootstrap.build(state) == "cuda"


def test_a_build_of_torch_that_is_not_there_is_refused(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBERLINE_TORCH", "gpu")
    with pytest.raises(SystemExit, match="EMBERLINE_TORCH must be one of cuda, cpu, got 'gpu'"):
        bootstrap.main()


def test_only_who_asks_for_hbase_gets_its_jars(state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBERLINE_CACHE", str(tmp_path / "cache"))
    stamp(state, "cpu")
    asked = provisions.undone(bootstrap.plan(state, "cpu", ["hbase"]), state / "setup")
    assert [provision.name for provision in asked] == ["data-fraud", "hbase"]
    with pytest.raises(SystemExit, match="set-up can be asked for hbase, hadoop, bouncycastle, weights; got mysql"):
        bootstrap.main(["mysql"])
