"""One HBase for the session, and tables of a test's own in it."""

import time
from collections.abc import Iterator
from contextlib import closing
from itertools import chain

import pytest
from pyspark.sql import SparkSession

from infra.hbase.client import Address
from infra.hbase.keys import Range
from infra.hbase.regions import Part
from infra.hbase.scan import Scan
from infra.hbase.service import Service
from infra.hbase.source import register
from tests.hbase import made

IDLE_S = 70.0


@pytest.fixture(scope="session")
def service(hbase: Service) -> Service:
    """The session's HBase."""
    return hbase


@pytest.fixture(scope="session")
def idling(service: Service) -> tuple[float, Iterator[bytes]]:
    """A scan of a thousand rows, and when it was last asked for one, which was the hundredth."""
    with closing(service.address.connect()) as connection:
        connection.create_table("idle", {"results": {}})
        with connection.table("idle").batch(batch_size=100) as batch:
            for number in range(1000):
                batch.put(b"%04d" % number, {b"results:x": bytes(1000)})
    scan = Scan(address=service.address, table="idle", columns=(b"results:x",), page_bytes=10_000)
    keys = (bytes(row.row) for page in scan.pages(Part(host=0, ranges=(Range(),))) for row in page)
    first = [next(keys) for _ in range(100)]
    return time.monotonic(), chain(first, keys)


@pytest.fixture(scope="session")
def idled(idling: tuple[float, Iterator[bytes]]) -> list[bytes]:
    """The keys of that scan, which idled for longer than the server bears; who ends HBase asks for it first."""
    began, keys = idling
    time.sleep(max(0.0, began + IDLE_S - time.monotonic()))
    return list(keys)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the scan idle while other tests run."""
    items.sort(key=lambda item: "idled" in getattr(item, "fixturenames", ()))


@pytest.fixture
def address(service: Service, idling: object) -> Address:
    return service.start()  # a test before may have ended it


@pytest.fixture
def table(address: Address) -> str:
    """A table of a test's own."""
    return made(address)


@pytest.fixture(scope="session")
def session(spark: SparkSession) -> SparkSession:
    """The Spark session, with the format ``hbase``."""
    register(spark)
    return spark
