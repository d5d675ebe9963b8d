"""Columns of numbers as arrays, those of one type and nullability in one, on their way from Spark to Python and back.

A column costs Spark's Arrow writer twice what its place in an array does.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql.types import (
    ArrayType,
    ByteType,
    DataType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    ShortType,
    StructField,
    StructType,
)

from dlcore.data.packed import Arrays

NUMBERS = ByteType, DoubleType, FloatType, IntegerType, LongType, ShortType
ARRAY = "__array_"
FEWEST = 4
"""Fewer columns of a type are left as they are, since an array has a price of its own: there and back, of the time of as many columns
three take 1.1, four 0.97, six 0.85, sixteen 0.74."""


@dataclass(frozen=True, kw_only=True)
class Packing:
    """Which columns of ``schema`` travel in which of ``arrays``; the others travel as they are."""

    schema: StructType
    arrays: Arrays

    @classmethod
    def of(cls, schema: StructType, *, first: Iterable[str] = (), added: Iterable[str] = ()) -> "Packing":
        """Columns ``first``, if they are there, lie in that order and before others: what is taken together should lie together.

        ``added`` are columns that come to them on the way.
        """
        fields = {field.name: field for field in schema.fields}
        if not _distinct([*schema.names, *added]):
            return cls.none(schema)
        kinds: dict[tuple[DataType, bool], list[str]] = {}
        for field in [fields[name] for name in dict.fromkeys([*first, *fields]) if name in fields]:
            if isinstance(field.dataType, NUMBERS) and not field.metadata:  # which an element cannot have
                kinds.setdefault((field.dataType, field.nullable), []).append(field.name)
        packed = [tuple(names) for names in kinds.values() if len(names) >= FEWEST]
        return cls(schema=schema, arrays=Arrays({f"{ARRAY}{at}": names for at, names in enumerate(packed)}))

    @classmethod
    def none(cls, schema: StructType) -> "Packing":
        """All columns travel as they are."""
        return cls(schema=schema, arrays=Arrays({}))

    @property
    def travelling(self) -> StructType:
        """The schema of what `packed` gives."""
        fields = {field.name: field for field in self.schema.fields}
        arrays = [
            StructField(array, ArrayType(fields[names[0]].dataType, fields[names[0]].nullable), False)
            for array, names in self.arrays.columns.items()
        ]
        return StructType([field for field in self.schema.fields if field.name not in self.arrays.places] + arrays)

    def packed(self, frame: DataFrame) -> DataFrame:
        """A frame of ``schema`` as it travels."""
        if not self.arrays.columns:
            return frame
        singles = [_quoted(name) for name in self.schema.names if name not in self.arrays.places]
        return frame.selectExpr(
            *singles,
            *(f"array({', '.join(map(_quoted, names))}) as {array}" for array, names in self.arrays.columns.items()),
        )

    def unpacked(self, frame: DataFrame) -> DataFrame:
        """What has travelled, and columns that were added to it, as ``schema`` and those columns."""
        if not self.arrays.columns:
            return frame
        added = frame.columns[len(self.travelling.fields) :]
        return frame.selectExpr(*map(self._element, self.schema.names), *map(_quoted, added))

    def _element(self, name: str) -> str:
        if name not in self.arrays.places:
            return _quoted(name)
        array, at = self.arrays.places[name]
        field, found = self.schema[name], f"{array}[{at}]"
        if not field.nullable:  # Spark takes every element for one that may be null
            found = f"coalesce({found}, cast(0 as {field.dataType.simpleString()}))"
        return f"{found} as {_quoted(name)}"


def _distinct(names: list[str]) -> bool:
    """Whether Spark, to which case is nothing, tells these columns and the arrays apart."""
    lower = [name.lower() for name in names]
    return len({*lower}) == len(lower) and not any(name.startswith(ARRAY) for name in lower)


def _quoted(name: str) -> str:
    return f"`{name.replace('`', '``')}`"
