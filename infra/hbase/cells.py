"""Cells as typed columns: what HBase's own ``Bytes`` makes of a value, to Arrow and back.

Numbers are big-endian of their width, a boolean is one byte, a string UTF-8, a decimal its scale in four bytes and its
digits; so the HBase shell and Java programs read the same. An absent cell is a null, and a null leaves no cell.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_schema

from infra.hbase.keys import SALTED, Salting
from infra.hbase.scan import Row, size

KEY = "key"
TIME = "@timestamp"
FIXED: dict[type[T.DataType], str] = {
    T.ByteType: ">i1",
    T.ShortType: ">i2",
    T.IntegerType: ">i4",
    T.LongType: ">i8",
    T.FloatType: ">f4",
    T.DoubleType: ">f8",
}
Values = list[bytes | None]


@dataclass(frozen=True)
class Column:
    """A field of a schema, and the cell that it is read from: its value, or the time in ms at which that was written."""

    field: T.StructField
    cell: bytes
    time: bool = False

    @classmethod
    def of(cls, field: T.StructField, family: str) -> "Column":
        """By the field's name: ``family:qualifier``, or the qualifier alone in the default family."""
        name = field.name.removesuffix(TIME)
        if ":" not in name and not family:
            raise ValueError(f"column {name!r} names no family; write it as family:{name}, or give the option `family`")
        column = cls(field, (name if ":" in name else f"{family}:{name}").encode(), name != field.name)
        column._check()
        return column

    def _check(self) -> None:
        kind = self.field.dataType
        allowed = (T.LongType, T.TimestampType) if self.time else (*FIXED, *OTHER)
        if not isinstance(kind, allowed):
            names = ", ".join(sorted(one.typeName() for one in allowed))
            raise TypeError(f"column {self.field.name!r} must be one of {names}, got {kind.simpleString()}")

    def read(self, rows: Sequence[Row], kind: pa.DataType) -> pa.Array:
        """This column of some rows."""
        cells = [row.columns.get(self.cell) for row in rows]
        if self.time:
            times = pa.array([cell and cell.timestamp for cell in cells], pa.int64())
            return times if pa.types.is_int64(kind) else times.cast(pa.timestamp("ms", kind.tz)).cast(kind)
        try:
            return decode([None if cell is None else cell.value for cell in cells], self.field.dataType, kind)
        except ValueError as error:
            raise ValueError(
                f"column {self.field.name!r} does not hold {self.field.dataType.simpleString()}: {error}"
            ) from error


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A schema over a table: the field ``key``, and columns of cells."""

    schema: T.StructType
    family: str = ""
    salting: Salting = SALTED

    def __post_init__(self) -> None:
        if KEY in self.schema.names and not isinstance(self.schema[KEY].dataType, T.StringType | T.BinaryType):
            raise TypeError(f"the field `key` must be string or binary, got {self.schema[KEY].dataType.simpleString()}")
        if not self.columns:
            raise ValueError("a read of HBase needs a schema with at least one column besides `key`")

    @property
    def columns(self) -> dict[str, Column]:
        """The columns of cells by their names."""
        return {field.name: Column.of(field, self.family) for field in self.schema if field.name != KEY}

    @property
    def cells(self) -> tuple[bytes, ...]:
        """The cells to ask HBase for, each once."""
        return tuple(dict.fromkeys(column.cell for column in self.columns.values()))

    @property
    def families(self) -> frozenset[str]:
        """The families of these cells."""
        return frozenset(cell.partition(b":")[0].decode() for cell in self.cells)

    def batches(self, pages: Iterator[list[Row]], most_bytes: int) -> Iterator[pa.RecordBatch]:
        """Arrow batches of at most ``most_bytes``, except for a row that is larger alone."""
        columns, arrow = self.columns, to_arrow_schema(self.schema, timezone="UTC")
        for page in pages:
            for rows in cut(page, most_bytes):
                yield pa.RecordBatch.from_arrays([self._array(rows, field, columns) for field in arrow], schema=arrow)

    def _array(self, rows: list[Row], field: pa.Field, columns: dict[str, Column]) -> pa.Array:
        if field.name in columns:
            return columns[field.name].read(rows, field.type)
        return pa.array([self.salting.plain(row.row) for row in rows], pa.binary()).cast(field.type)


def cut(rows: list[Row], most_bytes: int) -> Iterator[list[Row]]:
    """The rows in runs of at most ``most_bytes`` each."""
    run: list[Row] = []
    weight = 0
    for row in rows:
        if run and weight + size(row) > most_bytes:
            yield run
            run, weight = [], 0
        run.append(row)
        weight += size(row)
    yield run


def decode(values: Values, kind: T.DataType, arrow: pa.DataType) -> pa.Array:
    """An Arrow array of cell values; raises ``ValueError`` where one is not of the kind."""
    if type(kind) in FIXED:
        numbers, absent = _numbers(values, np.dtype(FIXED[type(kind)]))
        return pa.array(numbers, arrow, mask=absent)
    return OTHER[type(kind)][0](values, arrow)


def encode(array: pa.Array, kind: T.DataType) -> Values:
    """The cell values of an Arrow array."""
    if type(kind) not in FIXED:
        return OTHER[type(kind)][1](array)
    dtype = np.dtype(FIXED[type(kind)])
    raw = array.fill_null(0).to_numpy(zero_copy_only=False).astype(dtype).tobytes()
    pieces = (raw[at : at + dtype.itemsize] for at in range(0, len(raw), dtype.itemsize))
    return [piece if valid else None for piece, valid in zip(pieces, array.is_valid().to_pylist(), strict=True)]


def _numbers(values: Values, dtype: np.dtype[Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    absent = np.array([value is None for value in values], bool)
    filled = [bytes(dtype.itemsize) if value is None else value for value in values]
    for value in filled:
        if len(value) != dtype.itemsize:
            raise ValueError(f"a value must have {dtype.itemsize} bytes, got {len(value)}: {value[:20]!r}")
    return np.frombuffer(b"".join(filled), dtype).astype(dtype.newbyteorder("=")), absent


def _booleans(values: Values, arrow: pa.DataType) -> pa.Array:
    numbers, absent = _numbers(values, np.dtype("i1"))
    return pa.array(numbers != 0, arrow, mask=absent)


def _decimals(values: Values, arrow: pa.DataType) -> pa.Array:
    return pa.array([None if value is None else _decimal(value) for value in values]).cast(arrow)


def _decimal(value: bytes) -> Decimal:
    if len(value) < 5:
        raise ValueError(f"a decimal must have more than 4 bytes, got {len(value)}: {value!r}")
    scale = int.from_bytes(value[:4], signed=True)
    return Decimal(f"{int.from_bytes(value[4:], signed=True)}E{-scale}")  # exact, whatever the context's precision


def _scaled(number: Decimal) -> bytes:
    sign, digits, exponent = number.as_tuple()
    unscaled = int("".join(map(str, digits))) * (-1 if sign else 1)
    width = (unscaled if unscaled >= 0 else ~unscaled).bit_length() // 8 + 1
    return (-int(exponent)).to_bytes(4, signed=True) + unscaled.to_bytes(width, signed=True)


def _plain(array: pa.Array) -> Values:
    return list(array.cast(pa.binary()).to_pylist())


OTHER: dict[type[T.DataType], tuple[Callable[[Values, pa.DataType], pa.Array], Callable[[pa.Array], Values]]] = {
    T.BinaryType: (pa.array, _plain),
    T.StringType: (lambda values, arrow: pa.array(values, pa.binary()).cast(arrow), _plain),
    T.BooleanType: (
        _booleans,
        lambda array: [one if one is None else (b"\0", b"\xff")[one] for one in array.to_pylist()],
    ),
    T.DecimalType: (_decimals, lambda array: [one if one is None else _scaled(one) for one in array.to_pylist()]),
}
