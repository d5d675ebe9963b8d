"""A table's regions, and the parts into which a reader's work is cut along them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from infra.hbase.client import Address, Client
from infra.hbase.keys import Range, Salting, Selection


@dataclass(frozen=True)
class Region:
    """The keys of one region, and the region server that has it."""

    span: Range
    server: str


@dataclass(frozen=True, kw_only=True)
class Part:
    """One task's work: key ranges to scan and keys to get, all of one region, through the Thrift server ``host``."""

    host: int
    ranges: tuple[Range, ...] = ()
    keys: tuple[bytes, ...] = ()


def regions(address: Address, table: str) -> list[Region]:
    """Every region of a table in the order of keys; raises where there is no such table."""
    with Client(address) as client:
        found = client.call(lambda thrift: thrift.getTableRegions(table.encode()))
    if not found:
        raise LookupError(absent(address, table))
    ordered = sorted(found, key=lambda one: bytes(one.startKey))
    return [Region(Range(one.startKey, one.endKey), one.serverName.decode()) for one in ordered]


def require(address: Address, table: str, families: Iterable[str]) -> None:
    """Raise where a table or one of its families is not there; a write would be tried again and again, as in an outage."""
    with Client(address) as client:
        if table.encode() not in client.call(lambda thrift: thrift.getTableNames()):
            raise LookupError(absent(address, table))
        found = {
            name.rstrip(b":").decode() for name in client.call(lambda one: one.getColumnDescriptors(table.encode()))
        }
    if missing := set(families) - found:
        raise LookupError(f"HBase's table {table!r} has the families {sorted(found)}, got {sorted(missing)}")


def absent(address: Address, table: str) -> str:
    shell = f"create '{table}', FAMILIES, {{NUMREGIONS => 16, SPLITALGO => 'HexStringSplit'}}"
    return f"HBase has no table {table!r} at {', '.join(address.hosts)}; create it in HBase's shell: {shell}"


def parts(
    address: Address, found: Sequence[Region], selected: Selection, salting: Salting, splits: int = 1
) -> list[Part]:
    """At least one part for each region that may hold selected rows, and up to ``splits`` where it can be cut further."""
    if splits < 1:
        raise ValueError(f"a region must be read in at least one part, got splits={splits}")
    points = selected.points()
    if points is not None:
        stored = sorted(map(salting.stored, points))
        return [part for region in found for part in _gets(address, region, stored, splits)]
    spans = salting.ranges(selected.ranges)
    return [part for region in found for part in _scans(address, region, spans, splits)]


def _gets(address: Address, region: Region, stored: Iterable[bytes], splits: int) -> list[Part]:
    keys = [key for key in stored if key in region.span]
    host = address.nearest(region.server, region.span.start)
    return [Part(host=host, keys=tuple(keys[number::splits])) for number in range(min(splits, len(keys)))]


def _scans(address: Address, region: Region, spans: Iterable[Range], splits: int) -> list[Part]:
    """Whole ranges are dealt out where there are enough of them; fewer are each cut in pieces."""
    inside = [both for span in spans if (both := span & region.span)]
    if 0 < len(inside) < splits:
        pieces = -(-splits // len(inside))
        inside = [piece for span in inside for piece in span.cut(pieces)]
    host = address.nearest(region.server, region.span.start)
    return [Part(host=host, ranges=tuple(inside[number::splits])) for number in range(min(splits, len(inside)))]
