"""One HBase for the session, and tables of a test's own in it."""

from collections.abc import Iterator
from contextlib import closing
from uuid import uuid4

import pytest
from pyspark.sql import SparkSession

from infra.hbase.client import Address
from infra.hbase.jars import Jars, cache
from infra.hbase.service import Service
from infra.hbase.source import register
from infra.settings import Settings


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A running HBase on a folder of the session's own."""
    if not Jars(cache=cache()).present():
        raise FileNotFoundError(f"no HBase at {cache()}; fetch it with: python -m infra.hbase.jars")
    started = Service(settings=Settings(state=tmp_path_factory.mktemp("hbase")))
    try:
        started.start()
        yield started
    finally:
        started.stop()


@pytest.fixture
def address(service: Service) -> Address:
    return service.start()  # a test before may have ended it


@pytest.fixture
def table(address: Address) -> str:
    """A table of one region with families for pictures and results."""
    name = f"t{uuid4().hex[:8]}"
    with closing(address.connect()) as connection:
        connection.create_table(name, {"pictures": {}, "results": {}})
    return name


@pytest.fixture(scope="session")
def session(spark: SparkSession) -> SparkSession:
    """The Spark session, with the format ``hbase``."""
    register(spark)
    return spark
