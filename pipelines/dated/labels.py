"""Labels that come later than rows: a dated table of their own, pinned beside the rows of a training and joined to them."""

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

from infra.tables.hive import Table
from pipelines.dated.pin import TablePin


@dataclass(frozen=True, kw_only=True)
class Labels:
    """The column ``label`` of ``table``, whose partition ``ds`` holds the labels of the rows of that date.

    ``on`` maps the columns that name a row to those that name it in ``table``, where each row has at most one label.
    """

    table: Table
    label: str
    on: Mapping[str, str]

    def __post_init__(self) -> None:
        if missing := [name for name in (self.label, *self.on.values()) if name not in self.table.schema.names]:
            raise ValueError(f"the table {self.table} must have the columns of Labels, missing {missing}")

    def pinned(self, spark: SparkSession, dates: tuple[str, ...]) -> TablePin:
        """The labels that there are now of some dates; dates without any are an error, for a training alone."""
        present = set(self.table.dates(spark))
        if missing := [ds for ds in dates if ds not in present]:
            raise LookupError(
                f"{self.table} has no labels of {', '.join(missing)}; ingest these dates' labels, or train on others"
            )
        return TablePin(partitions=tuple(self.table.current(spark, ds) for ds in dates))

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
