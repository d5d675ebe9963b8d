"""Counts and mean amounts over the last seconds, hours or days, of the whole stream or of each entity.

Each window is [t - w, t), or [t - d - w, t - d) where what it sums is known after a delay d: exact, and blind to the row itself,
to its ties and to all that comes later. The cost is linear in rows but for one sort: rows become totals by second, a running
total answers how much came before any instant, and a window is the difference of two answers. Amounts are summed as whole
units (cents), so no rounding tells how far back the rows at hand reach, or in which order they came.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as F


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Adds ``<prefix>count_<name>`` and ``<prefix>mean_<name>`` for each window of ``spans`` (name -> seconds).

    ``entity`` names the columns that set one card or terminal apart from others; none means the whole stream. ``unit``
    is the amount of which every amount is a whole multiple; ``time`` holds whole seconds; ``bucket_s`` is how long the stretches are by
    which the whole stream is sorted. Rows without an ``amount`` are not
    counted. ``figures`` are other words for count and mean: of a label (``unit`` 1) that comes ``delay_s`` after its row, the mean
    is the share of positives, and every label that it counts is known by then.
    """

    time: str
    amount: str
    spans: dict[str, int]
    entity: Sequence[str] = ()
    unit: float = 0.01
    bucket_s: int = 3600
    delay_s: int = 0
    figures: tuple[str, str] = ("count", "mean")

    def __post_init__(self) -> None:
        if not self.spans or min(self.spans.values()) < 1:
            raise ValueError(f"Windows.spans needs windows of at least 1 s, got {self.spans}")
        if self.unit <= 0 or self.bucket_s < 1:
            raise ValueError(f"Windows.unit and bucket_s must be positive, got {self.unit=}, {self.bucket_s=}")
        if self.delay_s < 0:
            raise ValueError(f"Windows.delay_s must not be negative, got {self.delay_s}")

    @property
    def longest_s(self) -> int:
        """How many seconds of history before a row its windows reach."""
        return self.delay_s + max(self.spans.values())

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of what it adds."""
        return tuple(f"{self.prefix}{figure}_{name}" for name in self.spans for figure in self.figures)

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
        totals = df.groupBy(*self.entity, self.time).agg(F.count(units).alias("n"), F.sum(units).alias("units"))
        answers = self._answers(totals, self._questions(totals))
        at = {name: F.col("ago") == ago for name, ago in self._edges().items()}
        pivoted = answers.groupBy(*self.entity, F.col("asker").alias(self.time)).agg(
            *[F.max(F.when(asked, F.struct("n", "units"))).alias(f"at_{name}") for name, asked in at.items()]
        )
        return pivoted.select(
            *self.entity, self.time, *[column for name in self.spans for column in self._window(name)]
        )

    def _edges(self) -> dict[str, int]:
        """How many seconds ago all windows end, under no name, and each begins."""
        return {"": self.delay_s, **{name: self.delay_s + span for name, span in self.spans.items()}}

    def _questions(self, totals: DataFrame) -> DataFrame:
        """What each second asks: how much came before the end and before the begin of each of its windows."""
        asks = F.array(*[F.lit(ago) for ago in self._edges().values()])
        asked = totals.select(*self.entity, F.col(self.time).alias("asker"), F.explode(asks).alias("ago"))
        return asked.withColumn("instant", F.col("asker") - F.col("ago"))

    def _answers(self, totals: DataFrame, questions: DataFrame) -> DataFrame:
        """Each question with the ``n`` and ``units`` of all seconds before its instant.

        Totals and questions lie in one stream, which is sorted by entity; the whole stream is sorted one bucket at a time: what
        came before an instant is what came before it in its own bucket, and the buckets before.
        """
        own = totals.withColumn("instant", F.col(self.time)).drop(self.time)
        nothing = {"n": F.lit(0).cast("bigint"), "units": F.lit(0).cast("bigint")}
        stream = own.unionByName(questions.withColumns(nothing), allowMissingColumns=True)
        if self.entity:
            return _running(stream, self.entity)
        stream = stream.withColumn("bucket", F.floor(F.col("instant") / self.bucket_s))
        answered = _running(stream, ["bucket"]).join(_buckets_before(stream), on="bucket")
        return answered.withColumns({name: F.col(name) + F.col(f"before_{name}") for name in ("n", "units")})

    def _window(self, name: str) -> tuple[Column, Column]:
        count = F.col("at_")["n"] - F.col(f"at_{name}")["n"]
        units = F.col("at_")["units"] - F.col(f"at_{name}")["units"]
        mean = F.when(count > 0, units * self.unit / count).otherwise(F.lit(0.0))
        counted, averaged = self.figures
        return count.alias(f"{self.prefix}{counted}_{name}"), mean.alias(f"{self.prefix}{averaged}_{name}")


def _running(stream: DataFrame, group: Sequence[str]) -> DataFrame:
    """The questions with the totals of all earlier seconds of their group."""
    place = Window.partitionBy(*group).orderBy("instant")
    earlier = place.rangeBetween(Window.unboundedPreceding, -1)  # -1 s: neither the instant itself nor its ties
    return stream.withColumns({name: _sum(name, earlier) for name in ("n", "units")}).where("asker IS NOT NULL")


def _buckets_before(stream: DataFrame) -> DataFrame:
    """``before_n`` and ``before_units`` of each bucket: the totals of all buckets before it."""
    totals = {name: F.sum(name).alias(name) for name in ("n", "units")}
    # All buckets are one group; a literal for it would be optimised away, with a warning from Spark.
    buckets = stream.groupBy("bucket").agg(*totals.values(), F.min(F.lit(0)).alias("group"))
    earlier = Window.partitionBy("group").orderBy("bucket").rowsBetween(Window.unboundedPreceding, -1)
    return buckets.select("bucket", *[_sum(name, earlier).alias(f"before_{name}") for name in ("n", "units")])


def _sum(column: str, window: WindowSpec) -> Column:
    return F.coalesce(F.sum(column).over(window), F.lit(0))
