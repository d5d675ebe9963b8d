"""Cut a range of feature rows by time into training, validation and test frames, and fit statistics on the first."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from infra.tables.hive import Partition, read_files
from pipelines.binary import statistics
from pipelines.outcome import Outcome, Rows

PARTS = ("train", "validation", "test")
COUNTS = "rows.json"
BUCKET_S = 3600

Profile = Callable[[DataFrame, Sequence[str]], Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Split:
    """Write ``into``/train, validation and test: the first, next and last rows by time, ties by ``key``.

    ``shares`` are those of training and validation; the rest is for testing. Statistics and the profile that later data is
    compared with (made by ``profile`` of about ``profile_rows`` rows) are functions of the training rows alone.
    """

    partitions: tuple[Partition, ...]
    features: tuple[str, ...]
    into: Path
    label: str = "fraud"
    time: str = "time_s"
    key: tuple[str, ...] = ("source_file", "source_line")
    shares: tuple[float, float] = (0.6, 0.1)
    profile: Profile | None = None
    profile_rows: int = 20_000

    def __post_init__(self) -> None:
        train, validation = self.shares
        if not (train > 0 and validation > 0 and train + validation < 1):
            raise ValueError(
                f"shares of training and validation must be above 0 and leave rows to test on, got {self.shares}"
            )

    def run(self, spark: SparkSession | None) -> Outcome:
        assert spark is not None
        rows = read_files(spark, self.partitions)
        total = rows.count()
        frames = dict(zip(PARTS, self.cut(rows, total), strict=True))
        counts = {part: self.write(frame, part) for part, frame in frames.items()}
        (self.into / COUNTS).write_text(json.dumps({part: count for part, (count, _) in counts.items()}))
        self.refuse_without_frauds(counts)
        fit = self.fit(spark.read.parquet(str(self.into / "train")), counts["train"][0])
        given = sum(count for count, _ in counts.values())
        return Outcome(
            summary=", ".join(
                f"{part} {count:,} rows with {frauds} frauds" for part, (count, frauds) in counts.items()
            ),
            rows=Rows(taken=sum(pin.rows for pin in self.partitions), given=given),
            metrics={
                f"{part}_{what}": n
                for part, both in counts.items()
                for what, n in zip(("rows", "frauds"), both, strict=True)
            },
            files={part: str(self.into / part) for part in PARTS} | fit,
        )

    def cut(self, rows: DataFrame, total: int) -> tuple[DataFrame, DataFrame, DataFrame]:
        """Return the three frames; their row counts are exact."""
        order = (self.time, *self.key)
        train, validation = (int(total * share + 1e-9) for share in (self.shares[0], sum(self.shares)))
        if not 0 < train < validation < total:
            raise ValueError(f"a split by {self.shares} needs a row for each part, got {total} rows")
        first, second = (boundary(rows, order, position) for position in (train, validation))
        return (
            rows.where(before(order, first)),
            rows.where(~before(order, first) & before(order, second)),
            rows.where(~before(order, second)),
        )

    def write(self, frame: DataFrame, part: str) -> tuple[int, int]:
        """Write one frame in time order and return its rows and frauds."""
        folder = str(self.into / part)
        frame.orderBy(self.time, *self.key).write.mode("overwrite").parquet(folder)
        written = frame.sparkSession.read.parquet(folder)
        row = written.agg(F.count(F.lit(1)), F.coalesce(F.sum(self.label), F.lit(0))).first()
        assert row is not None
        return int(row[0]), int(row[1])

    def refuse_without_frauds(self, counts: Mapping[str, tuple[int, int]]) -> None:
        for part in ("train", "validation"):
            rows, frauds = counts[part]
            if frauds == 0:
                raise ValueError(
                    f"the {part} range must hold at least one fraud, got none in {rows:,} rows; widen the range of dates"
                )

    def fit(self, train: DataFrame, rows: int) -> dict[str, str]:
        """Fit what the model carries, on training rows; return the files it was written to."""
        files = {"statistics": self.into / "statistics.json"}
        statistics.fitted(train, self.features).save(files["statistics"])
        if self.profile:
            files["profile"] = self.into / "profile.json"
            profile = self.profile(sampled(train, self.key, self.profile_rows / rows), self.features)
            files["profile"].write_text(json.dumps(profile, indent=1))
        return {name: str(file) for name, file in files.items()}


def recorded(frame: Path, *parts: str) -> int:
    """How many rows the split of ``frame`` says it wrote to some of its parts."""
    counts: dict[str, int] = json.loads((frame / COUNTS).read_text())
    return sum(counts[part] for part in parts)


def sampled(rows: DataFrame, key: Sequence[str], share: float) -> DataFrame:
    """About ``share`` of the rows, by a hash of their key, in one partition by their key: what is made of them is the same
    however the rows were ordered.
    """
    drawn = rows.where(F.pmod(F.xxhash64(*key), F.lit(1_000_000)) < share * 1_000_000)
    return drawn.coalesce(1).sortWithinPartitions(*key)


def boundary(rows: DataFrame, order: Sequence[str], position: int) -> tuple[Any, ...]:
    """Return the values of ``order`` of the row at zero-based ``position``; ``order`` starts with a time in seconds.

    Rows are counted by hour, then by second of one hour, and only the rows of one second are put in order: linear in
    rows, and no task ever holds them all.
    """
    time = F.col(order[0])
    hour = F.floor(time / BUCKET_S)
    at_hour, rank = find(rows, hour, position)
    in_hour = rows.where(hour == at_hour)
    at_second, rank = find(in_hour, time, rank)
    (row,) = in_hour.where(time == at_second).select(*order).orderBy(*order).offset(rank).limit(1).collect()
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
