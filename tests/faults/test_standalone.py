"""Training on a standalone master with two workers on two hosts, as far as Spark can tell, which the project's own command starts."""

import json
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from infra.cluster import Cluster
from infra.settings import Settings
from tests.faults.test_kills import executors, running
from tests.faults.test_points import PROGRAM

HOSTS = ("127.0.0.1", "127.0.0.2")
SPECULATIVE = Path(__file__).with_name("speculative.py")


@pytest.fixture(scope="module")
def master(settings: Settings) -> Iterator[str]:
    before = set(psutil.Process().children(recursive=True))
    with Cluster(settings=settings, workers=2, cores=1, addresses=HOSTS).running() as address:
        yield address
    assert not [p for p in psutil.Process().children(recursive=True) if p not in before]


def test_an_executor_is_killed_and_the_weights_are_those_of_an_unbroken_run(
    master: str, unbroken: str, tmp_path: Path
) -> None:
    with running(master, str(tmp_path)) as run:
        run.until("step", step=30)
        executors(psutil.Process().children(recursive=True))[0].kill()
        assert run.until("weights") == unbroken


def test_executors_that_come_on_demand_are_lost_and_the_weights_are_the_same(
    master: str, unbroken: str, tmp_path: Path
) -> None:
    """Dynamic allocation: no executor is there at first, and Spark repeats the lost one's task by itself."""
    demand = ["spark.dynamicAllocation.enabled=true", "spark.executor.cores=1"]
    slow = tmp_path / "run.computed.slow"
    with running(master, str(tmp_path / "run"), "20", *demand) as run:
        run.until("step", step=50)
        slow.touch()
        executors(psutil.Process().children(recursive=True))[0].kill()
        run.until("group from step")
        slow.unlink()
        assert run.until("weights") == unbroken


def test_copies_that_spark_makes_of_late_tasks_count_for_nothing(master: str, unbroken: str, tmp_path: Path) -> None:
    """Speculation. A copy takes the process of a worker that has ended its own task, and Spark ends it with that process."""
    with running(master, str(tmp_path / "run"), program=SPECULATIVE) as run:
        assert run.until("weights") == unbroken
        run.process.wait()
    copied = copied_stages(tmp_path / "run.events")
    assert {"writing.py" in stage for stage in copied} == {True, False}, "pieces and groups were to be copied"
    assert (tmp_path / "run.computed").stat().st_size == 2 * 200, "each share of each step was computed once"


def copied_stages(events: Path) -> list[str]:
    """The names of the stages of tasks that Spark has copied, one a copy, by its event log."""
    (log,) = events.iterdir()
    told = [json.loads(line) for line in log.read_text().splitlines()]
    stages = [each["Stage Info"] for each in told if each["Event"] == "SparkListenerStageSubmitted"]
    names = {stage["Stage ID"]: stage["Stage Name"] for stage in stages}
    begun = [each for each in told if each["Event"] == "SparkListenerTaskStart"]
    return [names[each["Stage ID"]] for each in begun if each["Task Info"]["Speculative"]]


def test_every_point_holds(master: str, tmp_path: Path) -> None:
    with running(master, str(tmp_path), program=PROGRAM) as run:
        assert run.until("every point holds") == "every point holds"
