import logging
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from infra.settings import Settings
from pipelines.outcome import Outcome, Rows
from pipelines.runner.perform import attempt
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
    (outcome,) = run(tmp_path).outcomes("count")
    assert outcome.summary == "2 rows counted"
    assert outcome.rows == Rows(taken=2, given=2)
    assert outcome.times["launched"] <= outcome.times["began"] <= outcome.times["ready"] <= outcome.times["ended"]


def test_each_date_and_each_member_has_an_outcome_of_its_own(tmp_path: Path) -> None:
    for ds in ("2013-09-02", "2013-09-01"):
        attempt("count", run(tmp_path, ds), Stage(lambda r: Count(rows=int(r.ds[-1])), "none", each="date"))
    attempt("train", run(tmp_path), Stage(lambda _: Count(rows=5), "none", each="member"))
    assert [outcome.summary for outcome in run(tmp_path).outcomes("count")] == ["1 rows counted", "2 rows counted"]
    assert (run(tmp_path).folder / "outcomes" / "train@003.json").exists()


def test_a_failure_leaves_its_sentence_until_the_step_succeeds(tmp_path: Path) -> None:
    sentence = run(tmp_path).folder / "failures" / "count.txt"
    with pytest.raises(SystemExit) as ended:
        attempt("count", run(tmp_path), Stage(lambda _: Count(rows=-1), "none"))
    assert ended.value.code == 1
    assert sentence.read_text() == "ValueError: rows must not be negative, got -1\n"
    attempt("count", run(tmp_path), Stage(lambda _: Count(rows=1), "none"))
    assert not sentence.exists()


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


def test_rows_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(ValueError, match="rows in must equal rows out"):
        Rows(taken=3, given=1, quarantined=1)
