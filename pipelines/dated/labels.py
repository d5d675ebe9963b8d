"""Labels that come later than rows: a dated table of their own, pinned beside the rows of a training and joined to them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import reduce

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from infra.tables.hive import Partition, Table
from pipelines.dated.pin import TablePin


@dataclass(frozen=True, kw_only=True)
class Labels:
    """The column ``label`` of ``table``, whose partition ``ds`` holds the labels of the rows of that date.

    ``on`` maps the columns that name a row to those that name it in ``table``, where each row has at most one label. Where features
    look back on labels, ``delay_days`` says after how many days those of a date are known; without it, features see none.
    """

    table: Table
    label: str
    on: Mapping[str, str]
    delay_days: int | None = None

    def __post_init__(self) -> None:
        if self.delay_days is not None and self.delay_days < 1:
            raise ValueError(f"Labels.delay_days must be at least 1, got {self.delay_days}")
        if missing := [name for name in (self.label, *self.on.values()) if name not in self.table.schema.names]:
            raise ValueError(f"the table {self.table} must have the columns of Labels, missing {missing}")

    def pinned(self, spark: SparkSession, dates: tuple[str, ...]) -> TablePin:
        """The labels that there are now of some dates; dates without any are an error."""
        return TablePin(partitions=tuple(self.current(spark, dates)))

    def current(self, spark: SparkSession, dates: Sequence[str]) -> list[Partition]:
        """The partition of each date, which must be there."""
        present = set(self.table.dates(spark))
        if missing := [ds for ds in dates if ds not in present]:
            raise LookupError(
                f"{self.table} has no labels of {', '.join(missing)}; ingest these dates' labels, or choose others"
            )
        return [self.table.current(spark, ds) for ds in dates]

    def of(self, spark: SparkSession, partitions: Iterable[Partition]) -> DataFrame:
        """The labels of some partitions, with ``ds``; of none, no labels."""
        found = [self.table.pinned(spark, each) for each in partitions]
        none = spark.createDataFrame([], self.table.schema).withColumn("ds", F.lit(""))
        return reduce(DataFrame.unionByName, found, none)

    def known_on(self, ds: str) -> str:
        """The last date whose labels are known on the day ``ds``."""
        return str(date.fromisoformat(ds) - timedelta(days=self.delay_days or 0))

    def joined(self, rows: DataFrame, labels: DataFrame) -> DataFrame:
        """The rows (with ``ds``) with their label, null where a row has none yet."""
        named = [labels[theirs].alias(ours) for ours, theirs in self.on.items()]
        return rows.join(labels.select(*named, "ds", self.label), on=[*self.on, "ds"], how="left")


@dataclass(frozen=True, kw_only=True)
class PinnedLabels:
    """``labels`` as they were when ``pin`` was taken, so that a label that comes meanwhile changes no later step."""

    labels: Labels
    pin: TablePin

    def joined(self, spark: SparkSession, rows: DataFrame) -> DataFrame:
        """The rows (with ``ds``) with their label, null where a row had none yet; two labels of one row are an error."""
        found = self.pin.read(spark)
        self._refuse_doubled(found)
        return self.labels.joined(rows, found)

    def _refuse_doubled(self, found: DataFrame) -> None:
        named = found.groupBy(*self.labels.on.values(), "ds").count()
        if doubled := named.where("count > 1").count():
            raise ValueError(
                f"{self.labels.table} must have at most one label of a row, and has more than one label of {doubled:,} rows; "
                "ingest these dates' labels again, the last of each row"
            )
