"""Which of Spark's filters HBase can apply: those on the key narrow what is read, those on cells go to its region servers.

HBase compares bytes. Strings and bytes order as Spark orders them; a signed number's bytes order within each sign, so a
comparison is pushed as two. Floats and decimals, whose equals differ in bytes, stay Spark's.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from operator import attrgetter

import pyarrow as pa
from pyspark.sql import datasource as sources
from pyspark.sql import types as T

from infra.hbase.cells import FIXED, KEY, Column, Layout, encode
from infra.hbase.keys import Range, Selection

COMPARISONS: dict[type[sources.Filter], str] = {
    sources.GreaterThan: ">",
    sources.GreaterThanOrEqual: ">=",
    sources.LessThan: "<",
    sources.LessThanOrEqual: "<=",
}
WHOLE = (T.ByteType, T.ShortType, T.IntegerType, T.LongType)


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """What is read after filters were pushed: rows by key, and an expression in HBase's filter language."""

    selection: Selection
    filter: bytes = b""


def push(
    filters: Iterable[sources.Filter], layout: Layout, selection: Selection
) -> tuple[Pushed, list[sources.Filter]]:
    """What HBase does of ``filters``, and those that stay Spark's; gets of single keys take no filter on cells."""
    keyed = Pushed(selection=selection)
    left: list[sources.Filter] = []
    for one in filters:
        narrowed = narrow(one, keyed.selection) if _on(one) == KEY else None
        keyed, left = (keyed, [*left, one]) if narrowed is None else (replace(keyed, selection=narrowed), left)
    if keyed.selection.keys is not None:
        return keyed, left
    texts = [(one, expression(one, layout)) for one in left]
    pushed = [text for _, text in texts if text is not None]
    return replace(keyed, filter=b" AND ".join(pushed)), [one for one, text in texts if text is None]


def _on(one: sources.Filter) -> str:
    """The column that a filter is on, empty where there is none or it is part of one."""
    path: tuple[str, ...] = getattr(one, "attribute", ())
    return path[0] if len(path) == 1 else ""


def narrow(one: sources.Filter, selection: Selection) -> Selection | None:
    """The rows of ``selection`` whose key passes a filter, or None where keys cannot tell."""
    match one:
        case sources.IsNotNull():
            return selection
        case sources.EqualTo(value=value):
            return selection.only([raw(value)])
        case sources.In(value=values):
            return selection.only(raw(value) for value in values if value is not None)
        case sources.StringStartsWith(value=value):
            return selection.within([Range.of_prefix(raw(value))])
        case sources.GreaterThan(value=value):
            return selection.within([Range(raw(value) + b"\0")])
        case sources.GreaterThanOrEqual(value=value):
            return selection.within([Range(raw(value))])
        case sources.LessThan(value=value):
            return selection.within([Range(b"", raw(value))]) if value else selection.only([])
        case sources.LessThanOrEqual(value=value):
            return selection.within([Range(b"", raw(value) + b"\0")])
    return None


def raw(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


def expression(one: sources.Filter, layout: Layout) -> bytes | None:
    """A filter in HBase's language, or None where HBase cannot say it."""
    column = layout.columns.get(_on(one))
    if column is None or column.time:
        return None
    if isinstance(one, sources.IsNotNull):
        return compare(column, ">=", b"")
    if isinstance(one, sources.EqualTo):
        return _any(column, [one.value])
    if isinstance(one, sources.In):
        return _any(column, [value for value in one.value if value is not None])
    if isinstance(one, sources.StringStartsWith):
        return compare(column, "=", raw(one.value), comparator="binaryprefix")
    if type(one) in COMPARISONS:
        return _ordered(column, COMPARISONS[type(one)], attrgetter("value")(one))
    return None


def _any(column: Column, values: list[object]) -> bytes | None:
    """Equal to any of the values."""
    if not values or not isinstance(column.field.dataType, (*WHOLE, T.StringType, T.BinaryType)):
        return None
    return b"(" + b" OR ".join(compare(column, "=", _cell(column, value)) for value in values) + b")"


def _ordered(column: Column, sign: str, value: object) -> bytes | None:
    """Smaller or greater than a value."""
    if isinstance(column.field.dataType, T.StringType | T.BinaryType):
        return compare(column, sign, _cell(column, value))
    if not isinstance(column.field.dataType, WHOLE) or not isinstance(value, int):
        return None
    return _signed(column, sign, value)


def _signed(column: Column, sign: str, value: int) -> bytes:
    """By two's complement: the bytes of the negative numbers come behind those of the others, both in their order."""
    width = int(FIXED[type(column.field.dataType)][-1])
    least_negative = b"\x80" + bytes(width - 1)
    same = compare(column, sign, _cell(column, value))
    upwards = sign[0] == ">"
    other = compare(column, "<" if upwards else ">=", least_negative)
    # Greater than a positive number, or smaller than a negative one: of that sign too. Else: all of the other sign as well.
    both = b" AND " if upwards == (value >= 0) else b" OR "
    return b"(" + same + both + other + b")"


def _cell(column: Column, value: object) -> bytes:
    (encoded,) = encode(pa.array([value], _arrow(column.field.dataType)), column.field.dataType)
    return encoded or b""


def _arrow(kind: T.DataType) -> pa.DataType:
    if isinstance(kind, T.BinaryType):
        return pa.binary()
    return pa.string() if isinstance(kind, T.StringType) else pa.int64()


def compare(column: Column, sign: str, value: bytes, *, comparator: str = "binary") -> bytes:
    """One comparison of a cell, which rows without that cell do not pass."""
    family, _, qualifier = column.cell.partition(b":")
    quoted = [
        b"'" + part.replace(b"'", b"''") + b"'" for part in (family, qualifier, comparator.encode() + b":" + value)
    ]
    return b"SingleColumnValueFilter (%s, %s, %s, %s, true, true)" % (quoted[0], quoted[1], sign.encode(), quoted[2])
