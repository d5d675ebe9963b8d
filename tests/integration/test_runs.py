"""Runs of the DAG in a real Airflow: by the scheduler, repeated by an operator, broken, cancelled, and by REST."""

import hashlib
import signal
from collections.abc import Iterator

import psutil
import pytest

from tests.services import DAG, DAY, Stand, drivers, processes_of, wait_for

pytestmark = pytest.mark.timeout(1800)  # on two cores that nobody else uses, a run takes three minutes
UNDELIVERED = "2013-09-01"
PARTITIONED = ("ingest", "score")


def weights(stand: Stand, run: str) -> dict[str, str]:
    """The checksums of a run's member."""
    folder = stand.settings.run_folder(DAG, run) / "members" / "000"
    files = [file for file in folder.rglob("*.safetensors") if "commit" not in str(file)]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def results(stand: Stand, run: str) -> Iterator[object]:
    """What a run came to: its partitions' rows, its figures, and the artifact it made."""
    for step in PARTITIONED:
        (partition,) = stand.outcome(run, f"{step}@{DAY}")["partitions"][:1]
        yield partition["fingerprint"], partition["rows"]
    yield stand.outcome(run, "evaluate")["metrics"]
    yield stand.outcome(run, "evaluate")["details"]["candidate"]


def test_the_scheduler_makes_the_days_run_of_the_archives_last_date(stand: Stand, scheduled: str) -> None:
    by_scheduler = [run for run in stand.airflow.runs(DAG) if run["run_type"] == "scheduled"]
    assert [run["dag_run_id"] for run in by_scheduler] == [scheduled]
    assert by_scheduler[0]["logical_date"] == by_scheduler[0]["queued_at"][:10] + "T00:00:00Z"
    assert stand.settings.report_file(DAG, scheduled).stat().st_size > 10_000


def test_rows_are_reconciled_from_the_file_to_the_scores(stand: Stand, scheduled: str) -> None:
    lines = (stand.settings.state / "landing" / DAG / f"ds={DAY}" / "transactions.csv").read_text().count("\n")
    ingested = stand.outcome(scheduled, f"ingest@{DAY}")["rows"]
    assert ingested["taken"] == lines - 1 == ingested["given"] + ingested["quarantined"]
    assert stand.outcome(scheduled, f"score@{DAY}")["rows"]["given"] == ingested["given"]


def test_a_killed_driver_costs_one_retry_of_one_task(stand: Stand, repeated: str) -> None:
    assert {name for name, attempts in stand.attempts(repeated).items() if attempts > 1} == {"train"}
    assert stand.attempts(repeated)["train"] == 2
    assert processes_of(repeated) == []


def test_the_same_dates_again_change_no_result_and_double_no_row(stand: Stand, scheduled: str, repeated: str) -> None:
    assert list(results(stand, repeated)) == list(results(stand, scheduled))
    assert weights(stand, repeated) == weights(stand, scheduled) != {}


def test_a_cancelled_task_leaves_no_process_and_runs_again_alone_with_the_same_result(
    stand: Stand, repeated: str
) -> None:
    before, others = weights(stand, repeated), stand.attempts(repeated)
    stand.airflow.clear(DAG, repeated, "train")
    (driver, *_) = wait_for(lambda: drivers(repeated, "train"))
    driver.send_signal(signal.SIGSTOP)  # a driver that hears nothing: it cannot be asked to end
    stand.airflow.mark(DAG, repeated, "train", "failed", index=0)
    wait_for(lambda: not processes_of(repeated), patience_s=120)
    assert not psutil.pid_exists(driver.pid) or driver.status() == psutil.STATUS_ZOMBIE

    stand.airflow.clear(DAG, repeated, "train")
    assert stand.follow(repeated) == "success"
    assert weights(stand, repeated) == before
    after = stand.attempts(repeated)
    assert {name for name in after if after[name] != others[name]} == {"train"}


def test_a_run_by_rest_of_a_day_that_was_not_delivered_fails_with_its_sentence(stand: Stand, repeated: str) -> None:
    run = stand.airflow.trigger(DAG, {"first_date": UNDELIVERED, "last_date": UNDELIVERED})
    assert stand.follow(run) == "failed"
    why = (stand.settings.run_folder(DAG, run) / "failures" / f"ingest@{UNDELIVERED}.txt").read_text()
    assert f"fraud/ds={UNDELIVERED}" in why
    states = {task["task_id"]: task["state"] for task in stand.airflow.tasks(DAG, run)}
    assert (states["ingest"], states["features"], states["report"]) == ("failed", "upstream_failed", "upstream_failed")
    assert stand.attempts(run)["ingest"] == 3
