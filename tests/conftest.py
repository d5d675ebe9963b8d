"""What tests share: one Spark session with Hive on Derby in a folder of its own, and real transactions."""

import gc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from pyspark.sql import SparkSession
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from apps.fraud import columns
from apps.fraud.recipe import FRAUD
from infra import settings as platform
from infra import spark as engine
from infra.settings import Settings
from infra.tables.hive import Table

pytest_plugins = ["tests.services", "tests.hbase", "tests.remote", "tests.chromium", "tests.runs", "tests.wheels"]

DAYS = ("2013-09-01", "2013-09-02")


LANES = {
    "airflow": ("tests/browser/", "tests/integration/"),
    "training": ("tests/dlcore/", "tests/parity/"),
    "faults": ("tests/faults/", "tests/features/"),
}
"""Tests that share a service, by their folders: a process takes a lane whole; all others share the Spark session with Hive."""


def lane(nodeid: str) -> str:
    return next((lane for lane, folders in LANES.items() if nodeid.startswith(folders)), "session")


class ByService(LoadScopeScheduling):  # type: ignore[misc]
    """Tests in two processes: one begins with the Airflow, the other with the Spark session, and whoever is free goes on."""

    def _split_scope(self, nodeid: str) -> str:
        return lane(nodeid)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """No Airflow runs beside the lanes that come after its own: it takes a third of a core, though nobody asks it anything."""
    from tests import services  # here, since it is a plugin, whose assertions are rewritten as it is loaded

    if nextitem is None or lane(item.nodeid) != lane(nextitem.nodeid):
        while services.RUNNING:
            services.RUNNING.pop().stop()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByService:
    return ByService(config, log)


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The defaults, with every folder below one of the session's own, and the heap of a session that outlives every step."""
    return Settings(state=tmp_path_factory.mktemp("state"), spark_master="local[2]", driver_memory="2g")


@pytest.fixture(scope="session")
def spark(settings: Settings) -> Iterator[SparkSession]:
    """The platform's own session, with Hive, started once."""
    session = engine.session("tests", settings, hive=True)
    yield session
    session.stop()
    gc.collect()


@pytest.fixture(scope="session")
def real_days() -> dict[str, list[str]]:
    """The landed file of each day, as lines with their ends; the header first."""
    landing = Path(platform.load().landing)
    files = {ds: landing / "fraud" / f"ds={ds}" / "transactions.csv" for ds in DAYS}
    if missing := [str(file) for file in files.values() if not file.exists()]:
        raise FileNotFoundError(f"no transactions at {missing}; `make setup` puts them there")
    return {ds: file.read_text().splitlines(keepends=True) for ds, file in files.items()}


@pytest.fixture(scope="session")
def sample_days(real_days: dict[str, list[str]]) -> dict[str, list[str]]:
    """Real transactions, 1,500 of each day spread over it, and every fraud; the header first."""
    return {ds: _sample(lines) for ds, lines in real_days.items()}


def _sample(lines: list[str]) -> list[str]:
    step = len(lines) // 1500
    return lines[:1] + [line for number, line in enumerate(lines[1:]) if number % step == 0 or '"1"' in line]


@pytest.fixture
def landing(tmp_path: Path, sample_days: dict[str, list[str]]) -> Path:
    """A landing folder with the sample of both days."""
    for ds, lines in sample_days.items():
        folder = tmp_path / "landing" / "fraud" / f"ds={ds}"
        folder.mkdir(parents=True)
        (folder / "transactions.csv").write_text("".join(lines))
    return tmp_path / "landing"


@pytest.fixture
def database(spark: SparkSession) -> Iterator[str]:
    """The name of a Hive database for one test."""
    name = f"test_{uuid4().hex[:12]}"
    yield name
    spark.sql(f"DROP DATABASE IF EXISTS {name} CASCADE")


@pytest.fixture
def transactions(database: str) -> Table:
    return replace(columns.TRANSACTIONS, database=database)


@pytest.fixture
def quarantine(database: str) -> Table:
    return replace(FRAUD.quarantine, database=database)


@pytest.fixture
def features(database: str) -> Table:
    return replace(columns.FEATURE_TABLE, database=database)
