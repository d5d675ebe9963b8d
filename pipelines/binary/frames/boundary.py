"""Which row stands at a position when rows are put in order of time, found without any task that holds them all."""

from collections.abc import Sequence
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import NumericType

BUCKET_S = 3600


def seconds(rows: DataFrame, time: str) -> Column:
    """A number of seconds, a date or a timestamp as a number of seconds."""
    numeric = isinstance(rows.schema[time].dataType, NumericType)
    return F.col(time).cast("double") if numeric else F.col(time).cast("timestamp").cast("double")


def boundary(rows: DataFrame, order: Sequence[str], position: int) -> tuple[Any, ...]:
    """Return the values of ``order`` of the row at zero-based ``position``; ``order`` starts with a time.

    Rows are counted by hour, then by second of one hour, and only the rows of one second are put in order: linear in
    rows, and no task ever holds them all.
    """
    second = F.floor(seconds(rows, order[0]))
    hour = F.floor(second / BUCKET_S)
    at_hour, rank = find(rows, hour, position)
    in_hour = rows.where(hour == at_hour)
    at_second, rank = find(in_hour, second, rank)
    (row,) = in_hour.where(second == at_second).select(*order).orderBy(*order).offset(rank).limit(1).collect()
    return tuple(row)


def find(rows: DataFrame, value: Column, position: int) -> tuple[Any, int]:
    """Return which ``value`` the row at ``position`` has when rows are ordered by it, and its rank among equals."""
    for bucket in rows.groupBy(value.alias("bucket")).count().orderBy("bucket").collect():
        if position < bucket["count"]:
            return bucket["bucket"], position
        position -= bucket["count"]
    raise ValueError(f"no row at the position asked for: it lies {position} past the last")


def before(order: Sequence[str], values: Sequence[Any]) -> Column:
    """Whether a row stands before ``values`` in the order of ``order``, column by column."""
    (name, *names), (value, *others) = order, values
    lower = F.col(name) < F.lit(value)
    return lower | ((F.col(name) == F.lit(value)) & before(names, others)) if names else lower
