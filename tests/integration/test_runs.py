"""Runs of the DAGs in a real Airflow: a day by backfill, trainings approved, repeated and broken, and a day that comes late."""

import hashlib
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from infra.airflow.follow import follower
from tests.services import APP, DAILY, DAY, TRAINING, Stand, drivers, processes_of, wait_for

pytestmark = pytest.mark.timeout(1800)  # on two cores that nobody else uses, a training takes two minutes
LATE = "2013-09-02"


def weights(stand: Stand, run: str) -> dict[str, str]:
    """The checksums of a training's member."""
    folder = stand.service.run_folder(TRAINING, run) / "members" / "000"
    files = [file for file in folder.rglob("*.safetensors") if "commit" not in str(file)]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def results(stand: Stand, run: str) -> Iterator[object]:
    """What a training came to: its rows' fingerprints, its figures, and its model."""
    for step in ("pin", f"score@{DAY}"):
        for pin in stand.outcome(TRAINING, run, step)["partitions"]:
            yield pin["fingerprint"], pin["rows"]
    yield stand.outcome(TRAINING, run, "evaluate")["metrics"]


def test_a_backfilled_day_has_its_partition_and_leaves_its_features_as_an_asset_of_that_day(
    stand: Stand, taken_in: str
) -> None:
    run = stand.airflow.run(DAILY, taken_in)
    assert (run["run_type"], run["partition_key"]) == ("backfill", DAY)
    events = stand.airflow.call("GET", "assets/events", source_dag_id=DAILY, limit=10)["asset_events"]
    assert {(event["name"], event["partition_key"]) for event in events} == {(f"{APP}.features", DAY)}


def test_before_there_is_a_champion_scoring_says_so_and_the_run_goes_on(stand: Stand, taken_in: str) -> None:
    assert "no model is champion yet" in stand.outcome(DAILY, taken_in, f"score@{DAY}")["summary"]
    assert stand.service.report(DAILY, taken_in).stat().st_size > 10_000


def test_rows_are_reconciled_from_the_file_to_the_scores(stand: Stand, taken_in: str, trained: str) -> None:
    file = Path(stand.settings.landing) / APP / f"ds={DAY}" / "transactions.csv"
    ingested = stand.outcome(DAILY, taken_in, f"ingest@{DAY}")["rows"]
    assert ingested["taken"] == file.read_text().count("\n") - 1 == ingested["given"] + ingested["quarantined"]
    assert stand.outcome(TRAINING, trained, f"score@{DAY}")["rows"]["given"] == ingested["given"]


def test_an_approved_model_is_published_and_the_training_has_its_report(stand: Stand, trained: str) -> None:
    states = stand.states(TRAINING, trained)
    assert (states["search"], states["approve"], states["publish"]) == ("skipped", "success", "success")
    assert stand.service.report(TRAINING, trained).stat().st_size > 10_000


def test_a_killed_driver_costs_one_retry_of_one_task(stand: Stand, repeated: str) -> None:
    attempts = stand.attempts(TRAINING, repeated)
    assert {name: tries for name, tries in attempts.items() if tries > 1} == {"train": 2}
    assert processes_of(TRAINING, repeated) == []


def test_the_same_days_again_change_no_result_and_double_no_row(stand: Stand, trained: str, repeated: str) -> None:
    assert list(results(stand, repeated)) == list(results(stand, trained))
    assert weights(stand, repeated) == weights(stand, trained) != {}


def test_a_cancelled_task_leaves_no_process_and_runs_again_alone_with_the_same_result(
    stand: Stand, repeated: str
) -> None:
    before, others = weights(stand, repeated), stand.attempts(TRAINING, repeated)
    stand.airflow.clear(TRAINING, repeated, "train")
    (driver, *_) = wait_for(lambda: drivers(repeated, "train"))
    driver.send_signal(signal.SIGSTOP)  # a driver that hears nothing: it cannot be asked to end
    stand.airflow.mark(TRAINING, repeated, "train", "failed", index=0)
    wait_for(lambda: not processes_of(TRAINING, repeated), patience_s=120)
    assert not psutil.pid_exists(driver.pid) or driver.status() == psutil.STATUS_ZOMBIE

    stand.airflow.clear(TRAINING, repeated, "train")
    assert stand.follow(TRAINING, repeated) == "success"
    assert weights(stand, repeated) == before
    after = stand.attempts(TRAINING, repeated)
    assert {name for name in after if after[name] != others[name]} == {"train"}


def test_a_day_is_waited_for_without_a_worker_and_a_bad_delivery_is_refused(stand: Stand, repeated: str) -> None:
    run = stand.airflow.trigger(DAILY, {}, partition=LATE)
    wait_for(lambda: stand.states(DAILY, run).get("landed") == "deferred")
    stand.deliver(LATE, ["Time,Amount\n", "1,2\n"])
    assert stand.follow(DAILY, run) == "failed"
    assert "the header is wrong" in stand.outcome(DAILY, run, f"ingest@{LATE}")["failed"]
    assert stand.attempts(DAILY, run)["ingest"] == 1  # a refusal is not tried again
    assert stand.states(DAILY, run) == stand.states(DAILY, run) | {"engineer": "upstream_failed", "report": "success"}
    assert f"<strong>ingest@{LATE} failed.</strong>" in stand.service.report(DAILY, run).read_text()


def test_a_daily_run_by_hand_that_names_no_day_is_refused_at_once(stand: Stand, taken_in: str) -> None:
    run = stand.airflow.trigger(DAILY, {})
    assert stand.follow(DAILY, run) == "failed"
    assert stand.attempts(DAILY, run)["landed"] == 1
    (landed,) = [task for task in stand.airflow.tasks(DAILY, run) if task["task_id"] == "landed"]
    why = follower(stand.service, stand.airflow, DAILY, run).reason(landed, "landed")
    assert "a daily run needs its day as partition key, YYYY-MM-DD, got None" in why
