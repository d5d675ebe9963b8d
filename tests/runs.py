"""Runs of the DAG that tests share: one by the scheduler, and its repetition by an operator, whose member loses its driver."""

import pytest

from tests.chromium import EXECUTABLE, trigger_by_form
from tests.services import DAG, DAY, Stand, drivers, wait_for

TYPED = {"first_date": DAY, "last_date": DAY, "members": "1", "epochs": "1", "workers": "1"}  # as the scheduled run's


@pytest.fixture(scope="session")
def scheduled(stand: Stand) -> str:
    """The run that the scheduler makes once the DAG is no longer paused, at its end."""
    stand.airflow.pause(DAG, paused=False)
    (run,) = wait_for(lambda: stand.airflow.runs(DAG))
    assert stand.follow(run["dag_run_id"]) == "success"
    return str(run["dag_run_id"])


@pytest.fixture(scope="session")
def repeated(stand: Stand, scheduled: str, request: pytest.FixtureRequest) -> str:
    """What the scheduler ran, by the form or else by REST; its member's Spark driver is killed in mid-training."""
    page = request.getfixturevalue("browser") if EXECUTABLE else None
    run = trigger_by_form(stand, page, TYPED) if page else stand.airflow.trigger(DAG, {})
    (driver, *_) = wait_for(lambda: drivers(run, "train"))
    driver.kill()
    assert stand.follow(run) == "success"
    return run
