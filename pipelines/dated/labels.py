"""Labels that come later than rows: a dated table of their own, joined to the rows when these are pinned for training."""

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

from infra.tables.hive import Table


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

    def missing(self, spark: SparkSession, dates: tuple[str, ...]) -> list[str]:
        """The dates that have no labels yet, which nobody but a training needs."""
        present = set(self.table.dates(spark))
        return [ds for ds in dates if ds not in present]

    def joined(self, spark: SparkSession, rows: DataFrame, dates: tuple[str, ...]) -> DataFrame:
        """The rows of some dates (with ``ds``) that have a label, with it; dates without any labels are an error."""
        if missing := self.missing(spark, dates):
            raise LookupError(
                f"{self.table} has no labels of {', '.join(missing)}; ingest these dates' labels, or train on others"
            )
        labels = self.table.read(spark, dates)
        named = [labels[theirs].alias(ours) for ours, theirs in self.on.items()]
        return rows.drop(self.label).join(labels.select(*named, "ds", self.label), on=[*self.on, "ds"])
