"""Samples of rows by a hash of their key: the same rows, however they are ordered and partitioned, in every run."""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

STEPS = 1_000_000


def at_most(rows: DataFrame, count: int, most: int, key: Sequence[str]) -> tuple[DataFrame, int]:
    """All of ``count`` rows, or of more than ``most`` a sample of about so many; and how many are left out."""
    if count <= most:
        return rows, 0
    drawn = inside(key, most / count)
    return rows.where(drawn), rows.where(~drawn).count()


def in_words(rows: int, left_out: int) -> str:
    """How many rows there are, and of how many they were drawn."""
    drawn = f", {rows:,} of them drawn by a hash of their key," if left_out else ""
    return f"{rows + left_out:,} rows{drawn}"


def inside(key: Sequence[str], share: float) -> Column:
    """Whether a row belongs to a sample of about ``share`` of the rows."""
    return F.pmod(F.xxhash64(*key), F.lit(STEPS)) < share * STEPS
