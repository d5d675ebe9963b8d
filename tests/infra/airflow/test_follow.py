import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from infra.airflow.client import Airflow
from infra.airflow.follow import Follower


@pytest.fixture
def follower(tmp_path: Path) -> Follower:
    outcomes = tmp_path / "outcomes"
    outcomes.mkdir()
    (outcomes / "train@003.json").write_text(json.dumps({"summary": "20 epochs, loss 0.01"}))
    failed = {"summary": "", "failed": "GateFailed: amount must not be null, 3 rows"}
    (outcomes / "features@2013-09-02.json").write_text(json.dumps(failed))
    nowhere = Airflow(url="http://127.0.0.1:1", password=SecretStr(""))
    return Follower(airflow=nowhere, dag="fraud", run="r", outcomes=outcomes, logs=tmp_path / "logs")


def task(
    name: str, state: str | None, *, index: int = -1, label: str | None = None, attempt: int = 1
) -> dict[str, Any]:
    return {
        "task_id": name,
        "map_index": index,
        "rendered_map_index": label,
        "state": state,
        "try_number": attempt,
        "start_date": None,
        "duration": 1.5,
    }


def test_a_step_is_said_once_when_it_starts_and_once_when_it_ends(follower: Follower) -> None:
    assert list(follower.news([task("train", "queued", index=3)])) == []
    assert list(follower.news([task("train", "running", index=3)])) == []  # its name is not known yet
    (started,) = follower.news([task("train", "running", index=3, label="003")])
    assert started.split() == ["train@003", "started"]
    assert list(follower.news([task("train", "running", index=3, label="003")])) == []
    (done,) = follower.news([task("train", "success", index=3, label="003")])
    assert done.split(maxsplit=5) == ["train@003", "done", "in", "1.5", "s", "20 epochs, loss 0.01"]


def test_a_failure_is_said_with_its_sentence_and_its_log_also_while_its_label_is_gone(follower: Follower) -> None:
    list(follower.news([task("features", "running", index=1, label="2013-09-02")]))
    (failed,) = follower.news([task("features", "up_for_retry", index=1)])
    assert "features@2013-09-02      FAILED, will be tried again: GateFailed: amount must not be null, 3 rows" in failed
    assert failed.endswith("dag_id=fraud/run_id=r/task_id=features/map_index=1/attempt=1.log")
    (again,) = follower.news([task("features", "running", index=1, label="2013-09-02", attempt=2)])
    assert again.endswith("started, attempt 2")


def test_a_failure_without_a_sentence_is_said_with_the_error_in_its_log(follower: Follower) -> None:
    (silent,) = follower.news([task("dates", "failed")])
    assert "dates                    FAILED: it left no sentence of its own" in silent
    log = follower.log(task("dates", "failed", attempt=2))
    log.parent.mkdir(parents=True)
    lines = [
        {"event": "Task started"},
        {"event": "Task failed", "error_detail": [{"exc_type": "AirflowFailException", "exc_value": "no such date"}]},
    ]
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (failed,) = follower.news([task("dates", "failed", attempt=2)])
    assert f"dates                    FAILED: no such date\n{'':34}log: {log}" in failed


def test_the_step_of_a_days_run_is_said_by_its_day(follower: Follower) -> None:
    (follower.outcomes / "ingest@2013-09-02.json").write_text(json.dumps({"summary": "3 rows in"}))
    (done,) = follower.news([task("ingest", "success")])
    assert done.split(maxsplit=5) == ["ingest@2013-09-02", "done", "in", "1.5", "s", "3 rows in"]
