"""The command line: a run's own parameters hold where none are given, and what is wrong is refused before anything is done."""

from pathlib import Path

import pytest

from apps.__main__ import main, requested
from apps.fraud.recipe import STEPS


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


def test_other_parameters_for_a_run_that_was_begun_are_refused() -> None:
    requested("fraud", ["ingest", "--run", "mine", "--by", "Ada", "--ds", "2013-09-01"], STEPS)[1].pin()
    with pytest.raises(SystemExit, match=r"run mine was begun by Ada with other parameters than now: {'members': 10}"):
        main(["fraud", "report", "--run", "mine", "--members", "4", "--ds", "2013-09-01"])


def test_a_step_without_a_date_is_told_how_to_give_one() -> None:
    with pytest.raises(
        SystemExit, match=r"a step needs its date: give --ds, or the run's --first-date and --last-date"
    ):
        main(["fraud", "split", "--run", "mine"])


@pytest.mark.parametrize("ds", ["../x", "2013-13-01", "20130901"])
def test_a_date_that_is_none_ends_with_its_sentence(state: Path, ds: str) -> None:
    with pytest.raises(SystemExit, match="ds must be a date YYYY-MM-DD, got"):
        main(["fraud", "ingest", "--ds", ds])
    assert not (state / "runs").exists()
