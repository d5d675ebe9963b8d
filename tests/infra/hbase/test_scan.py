from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from infra.hbase.client import Address
from infra.hbase.keys import Range, Salting
from infra.hbase.regions import Part
from infra.hbase.scan import Scan
from infra.hbase.writing import Writer

NUMBERS = 3000


@pytest.fixture
def scan(session: SparkSession, address: Address, table: str) -> Scan:
    """Three thousand rows of 1 kB, in pages of about 40."""
    rows = session.range(NUMBERS).select(
        F.format_string("%06d", "id").alias("key"), F.repeat(F.lit("x"), 1000).alias("x")
    )
    Writer(address=address, table=table, family="results", salting=Salting(0)).write(rows)
    return Scan(address=address, table=table, columns=(b"results:x",), page_bytes=40_000)


def keys(pages: Iterator[list[object]]) -> Iterator[int]:
    for page in pages:
        assert len(page) <= 40
        yield from (int(row.row) for row in page)  # type: ignore[attr-defined]


def test_a_range_is_read_in_order_in_pages_bounded_by_bytes(scan: Scan) -> None:
    spans = (Range(b"000100", b"000900"), Range(b"001000"))
    assert list(keys(scan.pages(Part(host=0, ranges=spans)))) == [*range(100, 900), *range(1000, NUMBERS)]


def test_keys_are_got_one_by_one_where_they_are(scan: Scan) -> None:
    wanted = tuple(f"{number:06d}".encode() for number in range(2900, 3100))
    assert sorted(keys(scan.pages(Part(host=0, keys=wanted)))) == list(range(2900, 3000))


def test_a_scan_that_idled_until_the_server_ended_it_goes_on_at_the_next_key(idled: list[bytes]) -> None:
    assert idled == [b"%04d" % number for number in range(1000)]
