"""Training on a standalone master with two workers, as the project's own command starts them."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from infra.cluster import Cluster
from infra.settings import Settings
from tests.faults.test_kills import executors, running
from tests.faults.test_points import PROGRAM


@pytest.fixture(scope="module")
def master(settings: Settings) -> Iterator[str]:
    before = set(psutil.Process().children(recursive=True))
    with Cluster(settings=settings, workers=2, cores=1).running() as address:
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
    with running(master, str(tmp_path), "20", *demand) as run:
        run.until("step", step=50)
        executors(psutil.Process().children(recursive=True))[0].kill()
        run.until("group from step")
        assert run.until("weights") == unbroken


def test_every_point_holds(master: str, tmp_path: Path) -> None:
    with running(master, str(tmp_path), program=PROGRAM) as run:
        assert run.until("every point holds") == "every point holds"
