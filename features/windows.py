"""Counts and mean amounts over the last seconds, hours or days, of the whole stream or of each entity.

Each window is [t - w, t): exact, and blind to the row itself, to its ties and to all that comes later. The cost is linear
in rows but for one sort: rows become totals by second, a running total answers how much came before any instant, and a
window is the difference of two answers. Amounts are summed as whole units (cents), so no rounding tells how far back
the rows at hand reach, or in which order they came.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as F


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Adds ``<prefix>count_<name>`` and ``<prefix>mean_<name>`` for each window of ``spans`` (name -> seconds).

    ``entity`` names the columns that set one card or terminal apart from others; none means the whole stream. ``unit``
    is the amount of which every amount is a whole multiple; ``time`` holds whole seconds.
    """

    time: str
    amount: str
    spans: dict[str, int]
    entity: Sequence[str] = ()
    unit: float = 0.01
    bucket_s: int = 3600

    def __post_init__(self) -> None:
        if not self.spans or min(self.spans.values()) < 1:
            raise ValueError(f"Windows.spans needs windows of at least 1 s, got {self.spans}")
        if self.unit <= 0 or self.bucket_s < 1:
            raise ValueError(f"Windows.unit and bucket_s must be positive, got {self.unit=}, {self.bucket_s=}")

    @property
    def longest_s(self) -> int:
        """How many seconds of history before a row its windows reach."""
        return max(self.spans.values())

    @property
    def prefix(self) -> str:
        return "".join(f"{column}_" for column in self.entity)

    def __call__(self, df: DataFrame) -> DataFrame:
        """Add the windows' columns; rows and their order of keys stay."""
        by = [*self.entity, self.time]
        return df.join(self._windows(df), on=by)

    def _windows(self, df: DataFrame) -> DataFrame:
        """One row for each entity and second that has rows, with its windows."""
        units = F.round(F.col(self.amount) / self.unit).cast("bigint")
        totals = df.groupBy(*self.entity, self.time).agg(F.count(F.lit(1)).alias("n"), F.sum(units).alias("units"))
        before = self._running(self._instants(totals))
        at = {name: self._at(span) for name, span in {"": 0, **self.spans}.items()}
        pivoted = before.groupBy(*self.entity, F.col("asker").alias(self.time)).agg(
            *[F.max(F.when(asked, F.struct("n", "units"))).alias(f"at_{name}") for name, asked in at.items()]
        )
        return pivoted.select(
            *self.entity, self.time, *[column for name in self.spans for column in self._window(name)]
        )

    def _instants(self, totals: DataFrame) -> DataFrame:
        """Each second's totals, and the instants whose running total it asks for: itself, and each window's begin."""
        asks = F.array(F.lit(0), *[F.lit(span) for span in self.spans.values()])
        asked = totals.select(
            *self.entity,
            F.explode(asks).alias("ago"),
            (F.col(self.time) - F.col("ago")).alias("instant"),
            F.col(self.time).alias("asker"),
            F.lit(0).cast("bigint").alias("n"),
            F.lit(0).cast("bigint").alias("units"),
        )
        own = totals.select(
            *self.entity,
            F.lit(None).cast("int").alias("ago"),
            F.col(self.time).alias("instant"),
            F.lit(None).cast("bigint").alias("asker"),
            "n",
            "units",
        )
        return asked.unionByName(own)

    def _running(self, instants: DataFrame) -> DataFrame:
        """Totals strictly before each asked instant: within its bucket, and of all buckets before."""
        instants = instants.withColumn("bucket", F.floor(F.col("instant") / self.bucket_s))
        buckets = instants.groupBy(*self.entity, "bucket").agg(
            F.sum("n").alias("bn"), F.sum("units").alias("bunits"), F.min(F.lit(0)).alias("stream")
        )
        earlier = (
            Window.partitionBy(*self.entity, "stream").orderBy("bucket").rowsBetween(Window.unboundedPreceding, -1)
        )
        carried = buckets.select(
            *self.entity, "bucket", *[_sum(f"b{name}", earlier).alias(f"b{name}") for name in ("n", "units")]
        )
        # Asking comes before that second's own totals, so an answer holds what is strictly before it.
        within = (
            Window.partitionBy(*self.entity, "bucket")
            .orderBy("instant", F.col("asker").isNull())
            .rowsBetween(Window.unboundedPreceding, Window.currentRow)
        )
        running = instants.select(
            *self.entity, "bucket", "asker", "ago", *[F.sum(name).over(within).alias(name) for name in ("n", "units")]
        )
        return (
            running.where(F.col("asker").isNotNull())
            .join(carried, on=[*self.entity, "bucket"])
            .withColumns({name: F.col(name) + F.col(f"b{name}") for name in ("n", "units")})
        )

    def _at(self, span: int) -> Column:
        return F.col("ago") == span

    def _window(self, name: str) -> tuple[Column, Column]:
        count = F.col("at_")["n"] - F.col(f"at_{name}")["n"]
        units = F.col("at_")["units"] - F.col(f"at_{name}")["units"]
        mean = F.when(count > 0, units * self.unit / count).otherwise(F.lit(0.0))
        return count.alias(f"{self.prefix}count_{name}"), mean.alias(f"{self.prefix}mean_{name}")


def _sum(column: str, window: WindowSpec) -> Column:
    return F.coalesce(F.sum(column).over(window), F.lit(0))
