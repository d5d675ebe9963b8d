import json
import logging
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from infra.settings import Settings
from pipelines import outcome
from pipelines.outcome import Outcome, Rows, StepFailed
from pipelines.runner.perform import FAULT, REFUSED, attempt
from pipelines.runner.run import Run, Stage


@dataclass(frozen=True, kw_only=True)
class Count:
    """A step that needs no session, and fails when told to."""

    rows: int

    def run(self, spark: SparkSession | None) -> Outcome:
        if self.rows < 0:
            raise ValueError(f"rows must not be negative, got {self.rows}")
        return Outcome(summary=f"{self.rows} rows counted", rows=Rows(taken=self.rows, given=self.rows))


def run(state: Path, ds: str = "2013-09-02") -> Run:
    return Run(app="fraud", id="r:1", ds=ds, member=3, params={}, settings=Settings(state=state))


def test_an_outcome_comes_back_as_it_was_written(tmp_path: Path) -> None:
    attempt("count", run(tmp_path), Stage(lambda _: Count(rows=2), "none", each="date"))
    found = run(tmp_path).outcome("count", "2013-09-02")
    assert found.summary == "2 rows counted"
    assert found.rows == Rows(taken=2, given=2)
    assert found.times["launched"] <= found.times["began"] <= found.times["ready"] <= found.times["ended"]


def test_each_date_and_each_member_has_an_outcome_of_its_own(tmp_path: Path) -> None:
    for ds in ("2013-09-02", "2013-09-01"):
        attempt("count", run(tmp_path, ds), Stage(lambda r: Count(rows=int(r.ds[-1])), "none", each="date"))
    attempt("train", run(tmp_path), Stage(lambda _: Count(rows=5), "none", each="member"))
    for ds, said in (("2013-09-01", "1 rows counted"), ("2013-09-02", "2 rows counted")):
        assert run(tmp_path).outcome("count", ds).summary == said
    assert run(tmp_path).outcome("train", "003").summary == "5 rows counted"


def test_a_failure_leaves_its_sentence_until_the_step_succeeds(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        attempt("count", run(tmp_path), Stage(lambda _: Count(rows=-1), "none"))
    assert ended.value.code == REFUSED
    left = outcome.read_all(run(tmp_path).folder)["count"]
    assert left.refused and left.failed == "ValueError: rows must not be negative, got -1" and left.times["ended"] > 0
    attempt("count", run(tmp_path), Stage(lambda _: Count(rows=1), "none"))
    assert run(tmp_path).outcome("count").failed == ""


def test_a_fault_ends_another_way_than_a_refusal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Which are told apart by who submitted the step: what storage cannot do now it may do later."""

    def full(_: Run) -> Count:
        raise OSError("the disk is full")

    def torn(_: Run) -> Count:
        return Count(**json.loads("{"))

    for build, code in ((full, FAULT), (torn, FAULT), (lambda _: Count(rows=-1), REFUSED)):
        with pytest.raises(SystemExit) as ended:
            attempt("count", run(tmp_path), Stage(build, "none"))
        assert ended.value.code == code
        assert outcome.read_all(run(tmp_path).folder)["count"].refused == (code == REFUSED)
    assert capsys.readouterr().err.splitlines()[-1] == "count refused: rows must not be negative, got -1"


def test_the_log_opens_with_what_is_to_be_done(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        attempt("count", run(tmp_path), Stage(lambda _: Count(rows=1), "none", reads=("split",)))
    assert caplog.messages[0] == "count of run r:1, begun by hand: it reads what split left, and needs no session"
    assert "Count: A step that needs no session, and fails when told to." in caplog.messages


def test_a_failed_try_leaves_no_success_of_an_earlier_one_to_be_read(tmp_path: Path) -> None:
    attempt("count", run(tmp_path), Stage(lambda _: Count(rows=1), "none"))
    with pytest.raises(SystemExit):
        attempt("count", run(tmp_path), Stage(lambda _: Count(rows=-1), "none"))
    assert not run(tmp_path).did("count")
    with pytest.raises(ValueError, match=r"step 'count' failed in .*got -1; run that step again first"):
        run(tmp_path).outcome("count")


def test_a_try_that_is_killed_leaves_no_success_of_an_earlier_one_to_be_read(tmp_path: Path) -> None:
    attempt("count", run(tmp_path), Stage(lambda _: Count(rows=1), "none"))
    script = (
        "import os, sys; from pathlib import Path; from pipelines.runner.perform import attempt\n"
        "from pipelines.runner.run import Stage; from tests.pipelines.runner.test_perform import run\n"
        "attempt('count', run(Path(sys.argv[1])), Stage(lambda _: os._exit(9), 'none'))"
    )
    assert subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False).returncode == 9
    with pytest.raises(FileNotFoundError, match="no outcome of step 'count'"):
        run(tmp_path).outcome("count")


def test_what_a_failed_step_found_is_there_for_the_report(tmp_path: Path) -> None:
    class Judges:
        def run(self, spark: SparkSession | None) -> Outcome:
            raise StepFailed("3 rows are bad", Outcome(summary="judged", rows=Rows(taken=3, given=3)))

    with pytest.raises(SystemExit):
        attempt("judge", run(tmp_path), Stage(lambda _: Judges(), "none"))
    left = outcome.read_all(run(tmp_path).folder)["judge"]
    assert (left.summary, left.failed, left.rows) == ("judged", "StepFailed: 3 rows are bad", Rows(taken=3, given=3))


def test_a_step_reads_only_what_its_stage_declares(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    attempt("count", run(tmp_path), Stage(lambda _: Count(rows=1), "none"))

    def build(found: Run) -> Count:
        rows = found.outcome("count").rows
        assert rows is not None
        return Count(rows=rows.given)

    with pytest.raises(SystemExit):
        attempt("again", run(tmp_path), Stage(build, "none"))
    assert "its stage says that it reads []" in outcome.read_all(run(tmp_path).folder)["again"].failed
    attempt("again", run(tmp_path), Stage(build, "none", reads=("count",)))
    assert run(tmp_path).outcome("again").summary == "1 rows counted"


def test_the_log_says_what_computes_once_the_step_is_built(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Of torch too, which the step imports beside the start of its session, if it has one."""

    def build(_: Run) -> Count:
        import torch

        return Count(rows=torch.ones(2).numel())

    with caplog.at_level(logging.INFO):
        attempt("count", run(tmp_path), Stage(build, "none"))
    assert [line for line in caplog.messages if "linear algebra" in line] == ["linear algebra: torch by MKL"]


def test_what_a_step_starts_knows_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMBERLINE_RUN", raising=False)
    attempt("count", run(tmp_path), Stage(lambda _: Count(rows=len(os.environ["EMBERLINE_RUN"])), "none"))
    assert run(tmp_path).outcome("count").rows == Rows(taken=3, given=3)


LOOKS = """
import sys, urllib.request
from pathlib import Path
from infra.settings import Settings
from pipelines.outcome import Outcome
from pipelines.runner.perform import attempt
from pipelines.runner.run import Run, Stage
settings = Settings(state=Path(sys.argv[1]), spark_master="local[1]", spark_ui=True)
run = Run(app="fraud", id="r:1", ds="2013-09-02", member=3, params={}, settings=settings)
class Looks:
    def run(self, spark):
        (file,) = settings.spark_uis("fraud", "r:1").iterdir()
        with urllib.request.urlopen(file.read_text()) as page:
            return Outcome(summary=f"{file.name} {file.read_text()} {page.status}")
attempt("look", run, Stage(lambda _: Looks(), "spark"))
"""


def test_a_steps_spark_ui_has_its_address_told_while_the_step_lives(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LOOKS, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    step, address, status = run(tmp_path).outcome("look").summary.split()
    assert step == "look" and address.startswith("http://127.0.0.1:") and status == "200"
    assert list(run(tmp_path).settings.spark_uis("fraud", "r:1").iterdir()) == []


def test_rows_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(ValueError, match="rows in must equal rows out"):
        Rows(taken=3, given=1, quarantined=1)
