"""Features of a row from that row alone: Column expressions, the same for training and scoring."""

import math

from pyspark.sql import Column
from pyspark.sql import functions as F

DAY_S = 86400


def log_amount(amount: str) -> Column:
    """log(1 + amount), which is 0 for an amount of 0."""
    return F.log1p(F.col(amount))


def on_the_circle(time_s: str, *, period_s: int = DAY_S) -> tuple[Column, Column]:
    """Sine and cosine of the time's place in its period, so that 23:59 and 0:00 are neighbours."""
    if period_s < 1:
        raise ValueError(f"a period must be at least 1 s, got {period_s}")
    angle = F.pmod(F.col(time_s), F.lit(period_s)) * (2 * math.pi / period_s)
    return F.sin(angle), F.cos(angle)


def drawn_time(day: str, *key: str) -> Column:
    """A second of the day ``day`` (YYYY-MM-DD), since 1970, drawn by a hash of the row's key: rows without a time of day get an
    order that has nothing to do with what they hold, and is the same each time.
    """
    return F.unix_date(F.col(day).cast("date")) * DAY_S + F.pmod(F.xxhash64(*key), F.lit(DAY_S))


def against(amount: str, mean: str, count: str) -> Column:
    """log((1 + amount) / (1 + mean)) of a window's mean amount; 0 where the window holds no row."""
    return F.when(F.col(count) > 0, F.log1p(F.col(amount)) - F.log1p(F.col(mean))).otherwise(F.lit(0.0))
