"""The one reader of HBase's rows, under every way into Spark: it goes on where it was when a scan is lost, each row once.

A scan is lost in the ordinary course of things: the server ends one that nobody has asked for a minute. The reader then
opens another at the last key and one zero byte.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from happybase.table import TScan
from Hbase_thrift import IllegalArgument  # happybase makes this module when it is imported

from infra.hbase.client import Address, Client, message
from infra.hbase.keys import Range
from infra.hbase.regions import Part

Row = Any
"""A row of Thrift's: its stored key ``row``, and ``columns``, each with ``value`` and ``timestamp``."""

FIRST = 8  # rows of the first page, whose size nobody knows yet
MOST = 4000
GROWTH = 4


@dataclass(frozen=True, kw_only=True)
class Scan:
    """Rows of ``table`` with the cells of ``columns``, those that pass ``filter``, in pages of about ``page_bytes``."""

    address: Address
    table: str
    columns: tuple[bytes, ...]
    filter: bytes = b""
    page_bytes: int = 4 << 20

    def pages(self, part: Part) -> Iterator[list[Row]]:
        """The rows of one part, a page at a time: keys of a range in order, ranges as they are given."""
        with Client(self.address, part.host) as client:
            if part.keys:
                yield from self._gets(client, part.keys)
            for span in part.ranges:
                yield from self._range(client, span)

    def _range(self, client: Client, span: Range) -> Iterator[list[Row]]:
        cursor, count = Cursor(self, span), FIRST
        while page := client.call(lambda thrift: cursor.fetch(thrift, count)):  # noqa: B023 (called at once)
            cursor.pass_by(page)
            yield page
            count = self._next(page, count)
        client.call(cursor.close)

    def _gets(self, client: Client, keys: tuple[bytes, ...]) -> Iterator[list[Row]]:
        """Keys one by one, as many in a call as a page holds; the rows' filter is the caller's."""
        left, count = list(keys), FIRST
        while left:
            asked, left = left[:count], left[count:]
            page = client.call(
                lambda thrift: thrift.getRowsWithColumns(self.table.encode(), asked, list(self.columns), {})  # noqa: B023
            )
            if page:
                yield page
                count = self._next(page, count)

    def _next(self, page: list[Row], count: int) -> int:
        """How many rows to ask for next: as many of the last page's mean size as a page holds, growing by steps."""
        mean = sum(map(size, page)) / len(page)
        return max(1, min(int(self.page_bytes / max(mean, 1.0)), count * GROWTH, MOST))


class Cursor:
    """Where a scan of one range is: its next key, and the server's scanner for the Thrift client that opened it."""

    def __init__(self, scan: Scan, span: Range) -> None:
        self._scan = scan
        self._start, self._stop = span.start, span.stop
        self._thrift: Any = None
        self._scanner = -1

    def fetch(self, thrift: Any, count: int) -> list[Row]:
        """The next rows, at most ``count``; none at the end. To ask again gives the same rows."""
        if thrift is not self._thrift:
            self._scanner = self._open(thrift)
            self._thrift = thrift
        try:
            return list(thrift.scannerGetList(self._scanner, count))
        except IllegalArgument as error:  # the server has forgotten the scanner
            self._thrift = None
            raise ConnectionResetError(message(error)) from error

    def pass_by(self, page: list[Row]) -> None:
        """Go on behind the last row of a page."""
        self._start = page[-1].row + b"\0"

    def close(self, thrift: Any) -> None:
        """Give the scanner back, unless it is lost already."""
        if thrift is self._thrift:
            thrift.scannerClose(self._scanner)
        self._thrift = None

    def _open(self, thrift: Any) -> int:
        scan = TScan(startRow=self._start, columns=list(self._scan.columns), caching=MOST)
        if self._stop:
            scan.stopRow = self._stop
        if self._scan.filter:
            scan.filterString = self._scan.filter
        return int(thrift.scannerOpenWithScan(self._scan.table.encode(), scan, {}))


def ahead(pages: Iterator[list[Row]]) -> Iterator[list[Row]]:
    """The same pages, each fetched while the one before is worked on."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, pages, None)
        while page := coming.result():
            coming = thread.submit(next, pages, None)
            yield page


def size(row: Row) -> int:
    """The bytes of a row's key and values."""
    return len(row.row) + sum(len(cell.value) for cell in row.columns.values())
