"""The command line: a run's own parameters hold where none are given, and what is wrong is refused before anything is done."""

from pathlib import Path

import pytest

from apps.__main__ import main, requested
from apps.fraud.recipe import STEPS
from pipelines.runner.perform import REFUSED


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EMBERLINE_STATE", str(tmp_path))
    return tmp_path


def test_parameters_that_are_not_given_are_those_that_the_run_was_begun_with() -> None:
    _, first = requested("fraud", ["ingest", "--run", "mine", "--members", "3", "--last-date", "2013-09-02"], STEPS)
    first.pin()
    name, later = requested("fraud", ["train", "--run", "mine", "--member", "2"], STEPS)
    assert (name, later.params, later.member) == ("train", first.params, 2)
    _, other = requested("fraud", ["train", "--run", "another", "--ds", "2013-09-01"], STEPS)
    assert other.params["members"] == 10


def refusal(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """What a command line that is refused ends with."""
    with pytest.raises(SystemExit) as ended:
        main(["fraud", *argv])
    assert ended.value.code == REFUSED
    return capsys.readouterr().err.splitlines()[-1]


def test_other_parameters_for_a_run_that_was_begun_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    requested("fraud", ["ingest", "--run", "mine", "--by", "Ada", "--ds", "2013-09-01"], STEPS)[1].pin()
    said = refusal(capsys, "report", "--run", "mine", "--members", "4", "--ds", "2013-09-01")
    assert "run mine was begun by Ada with other parameters than now: {'members': 10}" in said


def test_a_step_without_a_date_is_told_how_to_give_one(capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal(capsys, "split", "--run", "mine")
    assert said == "a step needs its date: give --ds, or the run's --first-date and --last-date"


@pytest.mark.parametrize("ds", ["../x", "2013-13-01", "20130901"])
def test_a_date_that_is_none_ends_with_its_sentence(state: Path, ds: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal(capsys, "ingest", "--ds", ds) == f"ds must be a date YYYY-MM-DD, got {ds!r}"
    assert not (state / "runs").exists()
