from dataclasses import replace
from pathlib import Path

import pytest

from infra.settings import Settings
from pipelines.runner import params
from pipelines.runner.run import Run, pinned


def run(tmp_path: Path, **given: object) -> Run:
    values = params.validated(params.schema(Path("apps/fraud/params.json")), given)
    return Run(
        app="fraud",
        id="manual__2013-09-02T00:00:00",
        ds="2013-09-02",
        member=0,
        params=values,
        settings=Settings(state=tmp_path),
    )


def test_an_outcome_that_is_not_there_names_its_step(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no outcome of step 'split'.*run that step first"):
        run(tmp_path).outcome("split")


def begun(tmp_path: Path, run_id: str, **given: object) -> Run:
    found = replace(run(tmp_path, **given), id=run_id)
    found.pin()
    return found


@pytest.mark.parametrize(
    ("one", "other"),
    [("a:b", "a-b"), ("a/b", "a-b"), ("a b", "a~20b"), ("..", "~2E."), (".", "~2E"), ("é", "e"), ("A", "a")],
)
def test_two_ids_never_share_a_folder(tmp_path: Path, one: str, other: str) -> None:
    assert begun(tmp_path, one).folder != begun(tmp_path, other).folder


@pytest.mark.parametrize("run_id", ["..", ".", "../x", "/etc/passwd", "a/../../b", ".hidden", "_x", "*", "a\nb"])
def test_no_id_leads_out_of_the_runs_or_hides_in_them(tmp_path: Path, run_id: str) -> None:
    folder = begun(tmp_path, run_id).folder
    assert folder.resolve().parent == (tmp_path / "runs" / "fraud").resolve()
    assert folder.name[0] not in "._" and folder.name.isprintable() and "*" not in folder.name
    report = run(tmp_path).settings.report_file("fraud", run_id)
    assert report.resolve().parent == (tmp_path / "reports" / "fraud").resolve()


def test_an_airflow_id_stays_readable(tmp_path: Path) -> None:
    found = begun(tmp_path, "manual__2013-09-02T00:00:00+00:00")
    assert found.folder.name == "manual__2013-09-02T00~3A00~3A00+00~3A00"


@pytest.mark.parametrize("run_id", ["", "x" * 201])
def test_an_id_that_names_no_file_is_refused(tmp_path: Path, run_id: str) -> None:
    with pytest.raises(ValueError, match="id must"):
        begun(tmp_path, run_id)


@pytest.mark.parametrize("ds", ["../x", "2013-9-2", "20130902", "2013-W36-1", "", "2013-02-30"])
def test_a_date_that_is_none_is_refused(tmp_path: Path, ds: str) -> None:
    with pytest.raises(ValueError, match="ds must be a date YYYY-MM-DD, got"):
        replace(run(tmp_path), ds=ds)


def test_a_run_keeps_the_parameters_that_it_was_begun_with(tmp_path: Path) -> None:
    begun(tmp_path, "r", members=3)
    begun(tmp_path, "r", members=3)
    with pytest.raises(ValueError, match=r"run r was begun by hand with other parameters than now: {'members': 3}"):
        begun(tmp_path, "r", members=4)
    kept = pinned(run(tmp_path).settings.run_folder("fraud", "r"))
    assert kept is not None and (kept["id"], kept["by"], kept["params"]["members"]) == ("r", "hand", 3)


def test_the_dates_are_those_of_the_range(tmp_path: Path) -> None:
    assert run(tmp_path, first_date="2013-08-31", last_date="2013-09-01").dates == ("2013-08-31", "2013-09-01")
    assert run(tmp_path).dates == ("2013-09-02",)
    assert run(tmp_path, first_date="2013-09-01").dates == ("2013-09-01",)
    with pytest.raises(ValueError, match="last_date must not be before first_date, got 2013-09-03 to 2013-09-02"):
        _ = replace(run(tmp_path), params={"first_date": "2013-09-03", "last_date": "2013-09-02"}).dates
