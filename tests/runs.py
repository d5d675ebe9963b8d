"""Runs of the DAGs that tests share: a day, a training that a person approves, and its repetition, whose member loses its driver."""

import pytest

from tests.chromium import EXECUTABLE, trigger_by_form
from tests.services import DAILY, DAY, TRAINING, Stand, drivers, wait_for

TYPED = {"members": "1", "epochs": "1", "workers": "1"}


@pytest.fixture(scope="session")
def taken_in(stand: Stand) -> str:
    """The day's run, made by Airflow's backfill, at its end."""
    (run,) = stand.airflow.backfill(DAILY, first=DAY, last=DAY)
    assert stand.follow(DAILY, run) == "success"
    return run


@pytest.fixture(scope="session")
def trained(stand: Stand, taken_in: str) -> str:
    """A training on the day, published since a person has approved of it."""
    run = stand.airflow.trigger(TRAINING, {"approval": True})
    wait_for(lambda: stand.paused(TRAINING, run, "approve"))
    stand.airflow.answer(TRAINING, run, "approve", "Approve")
    assert stand.follow(TRAINING, run) == "success"
    return run


@pytest.fixture(scope="session")
def repeated(stand: Stand, trained: str, request: pytest.FixtureRequest) -> str:
    """The same training, by the form or else by REST; its member's Spark driver is killed in mid-training."""
    page = request.getfixturevalue("browser") if EXECUTABLE else None
    run = trigger_by_form(stand, page, TYPED) if page else stand.airflow.trigger(TRAINING, {})
    (driver, *_) = wait_for(lambda: drivers(run, "train"))
    driver.kill()
    assert stand.follow(TRAINING, run) == "success"
    return run
