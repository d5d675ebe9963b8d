"""The bag that one member of an ensemble trains on: positives oversampled with replacement, or all as they are, negatives undersampled.

A row's number of copies is a pure function of seed, member and the row's key, so it depends neither on the order of rows
nor on how they are partitioned, and a member that is trained again sees the same bag. What a draw did to the base rate
is counted, so that log-odds can be corrected for it.
"""

import math
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.binary.frames.roles import Roles
from pipelines.binary.models.balance import Balance


@dataclass(frozen=True, kw_only=True)
class Bag:
    """Draw each positive a Poisson number of times with mean ``oversample``, or once if that is None, each negative with chance
    ``undersample``.
    """

    seed: int
    member: int
    roles: Roles
    oversample: float | None = 5.0
    undersample: float = 0.25

    def __post_init__(self) -> None:
        if self.oversample is not None and not 0 < self.oversample <= 100:
            raise ValueError(f"Bag.oversample must be above 0 and at most 100, got {self.oversample}")
        if not 0 < self.undersample <= 1:
            raise ValueError(f"Bag.undersample must be above 0 and at most 1, got {self.undersample}")

    def draw(self, rows: DataFrame) -> DataFrame:
        """Return the bag, each row as often as it was drawn."""
        return self.repeated(self.counted(rows))

    def repeated(self, counted: DataFrame) -> DataFrame:
        """Return each row of ``counted`` as often as it was drawn."""
        drawn = counted.where("copies > 0").withColumn("copy", F.explode(F.sequence(F.lit(1), "copies")))
        return drawn.drop("copy", "copies")

    def counted(self, rows: DataFrame) -> DataFrame:
        """Return every row with ``copies``, the number of times it was drawn."""
        uniform = self.uniform()
        negative = F.when(uniform < self.undersample, 1).otherwise(0)
        positive = F.lit(1) if self.oversample is None else poisson(uniform, self.oversample)
        return rows.withColumn("copies", F.when(F.col(self.roles.label) == 1, positive).otherwise(negative))

    def balance(self, counted: DataFrame) -> Balance:
        """Count the rows of ``counted`` before and after the draw."""
        label = self.roles.label
        sums = F.sum(label), F.sum("copies"), F.sum(F.col("copies") * F.col(label))
        row = counted.agg(F.count(F.lit(1)), *sums).first()
        assert row is not None
        return Balance(rows=row[0], positives=row[1] or 0, drawn_rows=row[2] or 0, drawn_positives=row[3] or 0)

    def uniform(self) -> Column:
        """A number in [0, 1) for each row, of 53 bits of a hash of seed, member and key."""
        bits = F.xxhash64(F.lit(self.seed), F.lit(self.member), *self.roles.key)
        return F.shiftrightunsigned(bits, 11) / F.lit(2.0**53)


def poisson(uniform: Column, mean: float) -> Column:
    """The Poisson count that ``uniform`` falls on: how many steps of the cumulative distribution lie at or below it."""
    reached = [F.when(uniform >= step, 1).otherwise(0) for step in steps(mean)]
    return sum(reached[1:], start=reached[0])


def steps(mean: float) -> list[float]:
    """The cumulative Poisson distribution, up to where a 53-bit uniform can no longer pass it."""
    found, term, total = [], math.exp(-mean), 0.0
    for count in range(1, 10 * int(mean + 10)):
        total += term
        term *= mean / count
        if total < 1 - 2**-53:
            found.append(total)
    return found
