"""One embedded HBase for the test session."""

from collections.abc import Iterator
from contextlib import closing
from uuid import uuid4

import pytest

from infra.hbase.client import Address
from infra.hbase.service import Service
from infra.settings import Settings
from infra.setup.jars import Jars
from infra.setup.provisions import cache_folder


@pytest.fixture(scope="session")
def hbase(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A running HBase on a folder of the session's own; who may have ended it starts it again."""
    if not Jars(cache=cache_folder()).present():
        raise FileNotFoundError(f"no HBase at {cache_folder()}; fetch it with: make extras")
    service = Service(settings=Settings(state=tmp_path_factory.mktemp("hbase")))
    try:
        service.start()
        yield service
    finally:
        service.stop()


def made(address: Address) -> str:
    """A new table of one region with families for pictures and results."""
    name = f"t{uuid4().hex[:8]}"
    with closing(address.connect()) as connection:
        connection.create_table(name, {"pictures": {}, "results": {}})
    return name
