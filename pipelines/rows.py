"""Lines of CSV as typed rows, and as refused lines with the reason."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, FractionalType, IntegralType, StringType

NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
JAVA_ONLY = "[dDfFxX]"
"""Letters of numbers that a JVM reads, ``1d`` and ``0x1p3``, and no CSV means."""

QUOTING = {"escape": '"'}
"""A quotation mark inside of a quotation is doubled (RFC 4180)."""

SPECIAL = r"^\s*[+-]?(nan|inf|infinity)\s*$"


@dataclass(frozen=True, kw_only=True)
class Parser:
    """Reads ``value`` as the columns of ``header`` into ``types``; ``rules`` (reason -> SQL condition) hold for good rows.

    A line is good or refused, never both: ``typed`` tells them apart, quickly; ``refused`` then says why, and no reason
    holds a value. NaN and infinities are refused, and where every column is a number, all but plain decimals. Columns of
    ``nullable`` may be empty, or hold the text ``null`` that stands for no value.
    """

    header: Sequence[str]
    types: Mapping[str, DataType]
    rules: Mapping[str, str]
    nullable: Collection[str] = frozenset()
    null: str = ""

    def __post_init__(self) -> None:
        if len(self.header) != len(self.types):
            raise ValueError(f"Parser needs a type for each of {len(self.header)} columns, got {len(self.types)}")

    def typed(self, lines: DataFrame) -> DataFrame:
        """Each line with its typed columns, ``good``, and where it is not good, ``raw``."""
        parsed = F.from_csv("value", f"{self._fields(numbers=True)}, _misfit string", self._options())
        rows = lines.withColumn("_row", parsed)
        rows = rows.withColumns({name: _typed(F.col(f"_row.{name}"), kind) for name, kind in self.types.items()})
        rows = rows.withColumn("good", F.coalesce(self._good(), F.lit(False)))
        return rows.withColumn("raw", F.when(~F.col("good"), F.col("value"))).drop("_row", "value")

    def refused(self, typed: DataFrame) -> DataFrame:
        """The lines that are not good, with the first ``reason``."""
        text = F.from_csv("raw", f"{self._fields(numbers=False)}, _misfit string", self._options())
        return typed.where(~F.col("good")).withColumn("_text", text).withColumn("reason", self._reason())

    def _fields(self, *, numbers: bool) -> str:
        kinds = ["double" if numbers and not isinstance(kind, StringType) else "string" for kind in self.types.values()]
        return ", ".join(f"`{name}` {kind}" for name, kind in zip(self.types, kinds, strict=True))

    def _options(self) -> dict[str, str]:
        return {"columnNameOfCorruptRecord": "_misfit", "mode": "PERMISSIVE", "nullValue": self.null, **QUOTING}

    def _good(self) -> Column:
        of_line = [F.col("repeats").isNull(), F.col("_row._misfit").isNull(), ~_open_quote("value")]
        plain = [~F.col("value").rlike(JAVA_ONLY)] if self._all_numbers() else []
        of_values = [self._sound(name, kind) for name, kind in self.types.items()]
        return reduce(and_, [*of_line, *plain, *of_values, *[F.expr(f"({rule})") for rule in self.rules.values()]])

    def _sound(self, name: str, kind: DataType) -> Column:
        """Whether a value is there and finite, or need not be there."""
        sound = _sound(name, kind)
        return F.col(f"_row.{name}").isNull() | sound if name in self.nullable else sound

    def _all_numbers(self) -> bool:
        return not any(isinstance(kind, StringType) for kind in self.types.values())

    def _reason(self) -> Column:
        of_line = [
            F.when(
                F.col("repeats").isNotNull(), F.concat(F.lit("delivered twice, with the same lines as "), "repeats")
            ),
            F.when(F.trim("raw") == "", F.lit("an empty line")),
            F.when(_open_quote("raw"), F.lit("a quotation mark is not closed: a truncated line")),
            F.when(F.col("_text._misfit").isNotNull(), self._misfit()),
        ]
        of_values = [self._fault(title, *column) for title, column in zip(self.header, self.types.items(), strict=True)]
        of_rules = [F.when(~F.expr(f"({rule})"), F.lit(reason)) for reason, rule in self.rules.items()]
        return F.coalesce(*of_line, *of_values, *of_rules, F.lit("not a plain decimal"))

    def _fault(self, title: str, name: str, kind: DataType) -> Column:
        fault = _fault(title, name, kind)
        return F.when(F.col(f"_text.{name}").isNotNull(), fault) if name in self.nullable else fault

    def _misfit(self) -> Column:
        found = F.size(F.split("raw", ",")).cast("string")
        return F.concat(F.lit(f"expected {len(self.header)} columns, got "), found)


def _open_quote(column: str) -> Column:
    """Whether a quotation is opened and not closed: a doubled mark inside of one keeps their number even."""
    return (F.length(column) - F.length(F.replace(F.col(column), F.lit('"'), F.lit("")))) % 2 == 1


def _typed(value: Column, kind: DataType) -> Column:
    if isinstance(kind, IntegralType):
        return F.when(value == F.floor(value), value.try_cast(kind))
    return value


def _sound(name: str, kind: DataType) -> Column:
    """Whether a value is there and finite; NaN is above infinity in Spark's order, and null makes no row good."""
    return F.abs(name) < float("inf") if isinstance(kind, FractionalType) else F.col(name).isNotNull()


def _fault(title: str, name: str, kind: DataType) -> Column:
    """The first thing wrong with one column's text."""
    text = F.col(f"_text.{name}")
    empty = F.when(text.isNull(), F.lit(f"{title} is empty"))
    if isinstance(kind, StringType):
        return empty
    special = F.when(F.lower(text).rlike(SPECIAL), F.lit(f"{title} is not finite"))
    word = F.when(~text.rlike(NUMBER), F.lit(f"{title} is not a number"))
    infinite = F.when(F.abs(text.try_cast("double")) == float("inf"), F.lit(f"{title} is not finite"))
    whole = F.when(F.col(name).isNull(), F.lit(f"{title} is not a whole number"))
    return F.coalesce(empty, special, word, infinite, *([whole] if isinstance(kind, IntegralType) else []))
