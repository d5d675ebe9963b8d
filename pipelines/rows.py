"""Lines of CSV as typed rows, each with the reason why it is refused, if it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, FractionalType, IntegralType, StringType

NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
STRANGE = r'[^0-9eE+\-.,"\s]'


@dataclass(frozen=True, kw_only=True)
class Parser:
    """Reads ``value`` as the columns of ``header`` into ``types``; ``rules`` (reason -> SQL condition) hold for good rows.

    Rows keep the columns of the lines and gain the typed ones and ``reason``, null for a good row. No reason holds a value.
    """

    header: Sequence[str]
    types: Mapping[str, DataType]
    rules: Mapping[str, str]

    def __post_init__(self) -> None:
        if len(self.header) != len(self.types):
            raise ValueError(f"Parser needs a type for each of {len(self.header)} columns, got {len(self.types)}")

    def __call__(self, lines: DataFrame) -> DataFrame:
        text = ", ".join(f"`{name}` string" for name in self.types)
        options = {"columnNameOfCorruptRecord": "_misfit", "mode": "PERMISSIVE"}
        split = lines.withColumn("_text", F.from_csv("value", f"{text}, _misfit string", options))
        split = split.withColumn("_strange", F.col("value").rlike(STRANGE))
        typed = split.withColumns({name: _typed(F.col(f"_text.{name}"), kind) for name, kind in self.types.items()})
        return typed.withColumn("reason", self._reason()).drop("_text", "_strange")

    def _reason(self) -> Column:
        of_line = [
            F.when(F.col("repeats").isNotNull(), F.concat(F.lit("delivered twice, with the same lines as "), "repeats")),
            F.when(F.trim("value") == "", F.lit("an empty line")),
            F.when(_quotes() % 2 == 1, F.lit("a quotation mark is not closed: a truncated line")),
            F.when(F.col("_text._misfit").isNotNull(), self._misfit()),
        ]
        of_values = [
            _fault(name, title, kind) for title, (name, kind) in zip(self.header, self.types.items(), strict=True)
        ]
        of_rules = [F.when(~F.expr(rule), F.lit(reason)) for reason, rule in self.rules.items()]
        return F.coalesce(*of_line, *of_values, *of_rules)

    def _misfit(self) -> Column:
        found = F.size(F.split("value", ",")).cast("string")
        return F.concat(F.lit(f"expected {len(self.header)} columns, got "), found)


def _quotes() -> Column:
    return F.length("value") - F.length(F.replace(F.col("value"), F.lit('"'), F.lit("")))


def _typed(text: Column, kind: DataType) -> Column:
    if isinstance(kind, StringType):
        return text
    number = text.try_cast("double")
    if isinstance(kind, FractionalType):
        return number
    return F.when(number == F.floor(number), number.try_cast(kind))


def _fault(name: str, title: str, kind: DataType) -> Column:
    """The first thing wrong with one column's value."""
    text = F.col(f"_text.{name}")
    empty = F.when(text.isNull(), F.lit(f"{title} is empty"))
    if isinstance(kind, StringType):
        return empty
    word = F.when(F.col("_strange") & ~text.rlike(NUMBER) & ~_special(text), F.lit(f"{title} is not a number"))
    unread = F.when(text.try_cast("double").isNull(), F.lit(f"{title} is not a number"))
    infinite = F.when(_special(text) | (F.abs(text.try_cast("double")) == float("inf")), F.lit(f"{title} is not finite"))
    whole = F.when(F.col(name).isNull(), F.lit(f"{title} is not a whole number"))
    return F.coalesce(empty, word, unread, infinite, *([whole] if isinstance(kind, IntegralType) else []))


def _special(text: Column) -> Column:
    """Whether a text is one of the names of NaN and the infinities that Spark reads."""
    return F.col("_strange") & F.lower(F.trim(text)).rlike(r"^[+-]?(nan|inf|infinity)$")
