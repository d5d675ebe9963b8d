"""Lines of CSV as typed rows, and as refused lines with the reason."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import Literal

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, DoubleType, FloatType, IntegralType, LongType, StringType

from pipelines.dated.source import CSV

NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
JAVA_ONLY = "[dDfFxX]"
"""Letters of numbers that a JVM reads, ``1d`` and ``0x1p3``, and no CSV means."""

EXACT = 2.0**53
"""The whole numbers below it are doubles too."""

SPECIAL = r"^\s*[+-]?(nan|inf|infinity)\s*$"


@dataclass(frozen=True, kw_only=True)
class Parser:
    """Reads ``value`` as the columns of ``header`` into ``types``; ``rules`` (reason -> SQL condition) hold for good rows.

    A line is good or refused, never both: ``typed`` tells them apart, quickly; ``refused`` then says why, and no reason
    holds a value. Columns must have a value but for the ``optional`` ones; an empty field is none, nor is the text ``null``. NaN
    and infinities are refused, and where every column is a number, all but plain decimals. Good lines of a file whose values a
    file before it has as often are refused too, unless ``repeats`` is "keep"; within one file equal rows are rows of their own.
    """

    header: Sequence[str]
    types: Mapping[str, DataType]
    rules: Mapping[str, str]
    optional: Collection[str] = ()
    null: str = ""
    repeats: Literal["keep", "refuse"] = "keep"

    def __post_init__(self) -> None:
        if len(self.header) != len(self.types):
            raise ValueError(f"Parser needs a type for each of {len(self.header)} columns, got {len(self.types)}")
        if unknown := sorted(set(self.optional) - set(self.types)):
            raise ValueError(f"Parser.optional must name columns of the table, got {unknown}")

    def typed(self, lines: DataFrame) -> DataFrame:
        """Each line with its typed columns, ``good``, and where it is not good, ``raw``."""
        parsed = F.from_csv("value", f"{self._fields(numbers=True)}, _misfit string", self._options())
        rows = lines.withColumn("_row", parsed)
        rows = rows.withColumns({name: _typed(F.col(f"_row.{name}"), kind) for name, kind in self.types.items()})
        rows = rows.withColumn("good", F.coalesce(self._good(), F.lit(False)))
        rows = self._told_apart(rows) if self.repeats == "refuse" else rows.withColumn("same_as", F.lit(None))
        return rows.withColumn("raw", F.when(~F.col("good"), F.col("value"))).drop("_row", "value")

    def _told_apart(self, rows: DataFrame) -> DataFrame:
        """``same_as`` names the first file that has the values of a row as often: its n-th row of them is our n-th."""
        same = [*self.types, "good"]
        within = Window.partitionBy("source_file", *same).orderBy("source_line")
        first = F.min("source_file").over(Window.partitionBy("_nth", *same))
        rows = rows.withColumn("_nth", F.row_number().over(within)).withColumn("_first", first)
        rows = rows.withColumn(
            "same_as", F.when(F.col("good") & (F.col("_first") != F.col("source_file")), F.col("_first"))
        )
        return rows.withColumn("good", F.col("good") & F.col("same_as").isNull()).drop("_nth", "_first")

    def refused(self, typed: DataFrame) -> DataFrame:
        """The lines that are not good, with the first ``reason``."""
        text = F.from_csv("raw", f"{self._fields(numbers=False)}, _misfit string", self._options())
        return typed.where(~F.col("good")).withColumn("_text", text).withColumn("reason", self._reason())

    def _fields(self, *, numbers: bool) -> str:
        kinds = ["double" if numbers and _is_double(kind) else "string" for kind in self.types.values()]
        return ", ".join(f"`{name}` {kind}" for name, kind in zip(self.types, kinds, strict=True))

    def _options(self) -> dict[str, str]:
        return {"columnNameOfCorruptRecord": "_misfit", "mode": "PERMISSIVE", "nullValue": self.null, **CSV}

    def _good(self) -> Column:
        of_line = [F.col("repeats").isNull(), F.col("_row._misfit").isNull(), ~_open_quote("value")]
        plain = [~F.col("value").rlike(JAVA_ONLY)] if self._all_numbers() else []
        of_values = [self._sound(name, kind) for name, kind in self.types.items()]
        return reduce(
            and_,
            [
                *of_line,
                *plain,
                *of_values,
                *[F.coalesce(F.expr(f"({rule})"), F.lit(True)) for rule in self.rules.values()],
            ],
        )

    def _all_numbers(self) -> bool:
        return all(isinstance(kind, IntegralType | DoubleType | FloatType) for kind in self.types.values())

    def _sound(self, name: str, kind: DataType) -> Column:
        """Whether a value is there and finite; NaN is above infinity in Spark's order, and null makes no row good."""
        finite = F.abs(name) < float("inf") if isinstance(kind, DoubleType | FloatType) else F.col(name).isNotNull()
        return finite | F.col(f"_row.{name}").isNull() if name in self.optional else finite

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
        same = F.concat(F.lit("delivered twice: the values are those of a row of "), F.col("same_as").cast("string"))
        return F.coalesce(*of_line, *of_values, *of_rules, same, F.lit("not a plain decimal"))

    def _misfit(self) -> Column:
        found = F.size(F.split("raw", ",")).cast("string")
        return F.concat(F.lit(f"expected {len(self.header)} columns, got "), found)

    def _fault(self, title: str, name: str, kind: DataType) -> Column:
        """The first thing wrong with one column's text."""
        text = F.col(f"_text.{name}")
        empty = F.when(text.isNull(), F.lit(None if name in self.optional else f"{title} is empty"))
        unread = F.when(text.isNotNull() & F.col(name).isNull(), F.lit(f"{title} is not {_called(kind)}"))
        if not isinstance(kind, IntegralType | DoubleType | FloatType):
            return F.coalesce(empty, unread)
        special = F.when(F.lower(text).rlike(SPECIAL), F.lit(f"{title} is not finite"))
        word = F.when(~text.rlike(NUMBER), F.lit(f"{title} is not a number"))
        infinite = F.when(F.abs(text.try_cast("double")) == float("inf"), F.lit(f"{title} is not finite"))
        return F.coalesce(empty, special, word, infinite, unread)


def _open_quote(column: str) -> Column:
    """Whether a quotation is opened and not closed: a quotation mark within one is doubled."""
    return (F.length(column) - F.length(F.replace(column, F.lit('"'), F.lit("")))) % 2 == 1


def _is_double(kind: DataType) -> bool:
    """Whether a value of the kind is read as a double without loss; a long and a decimal are read as text."""
    return isinstance(kind, DoubleType | FloatType) or (
        isinstance(kind, IntegralType) and not isinstance(kind, LongType)
    )


def _typed(value: Column, kind: DataType) -> Column:
    if isinstance(kind, DoubleType | StringType):
        return value
    if not isinstance(kind, IntegralType):
        return value.try_cast(kind)
    number = value if _is_double(kind) else value.try_cast("double")
    whole = F.when((number == F.floor(number)) & (F.abs(number) < EXACT), number.try_cast(kind))
    return whole if _is_double(kind) else F.coalesce(whole, value.try_cast(kind))


def _called(kind: DataType) -> str:
    """What a value of a kind is called in a reason."""
    return "a whole number" if isinstance(kind, IntegralType) else f"a {kind.simpleString()}"
