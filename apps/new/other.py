"""A Hive table of another team as a profile: partitioned by days, of which the rows are sampled by Spark."""

import re
from datetime import date

import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from apps.new.profile import SAMPLED, Profile, columns_of

NAME = re.compile(r"[A-Za-z_]\w*\.(?!csv$|txt$|tsv$)[A-Za-z_]\w*")
"""DATABASE.TABLE, and no file."""


def profile(spark: SparkSession, table: str) -> Profile:
    """Look at a table that is partitioned by one column of days."""
    if not spark.catalog.tableExists(table):
        raise ValueError(f"--from must name a CSV file or a Hive table, and there is no table {table}")
    listed = spark.catalog.listColumns(table)
    partitions = [column.name for column in listed if column.isPartition]
    if len(partitions) != 1:
        raise ValueError(f"{table} must be partitioned by one column of days, got {partitions or 'no partitions'}")
    (partition,) = partitions
    rows = spark.table(table)
    days = tuple(sorted(row[0] for row in rows.select(F.col(partition).cast("string")).distinct().collect()))
    refuse(table, partition, days)
    count, texts = rows.count(), rows.drop(partition)
    sample = as_texts(texts.sample(SAMPLED / count, seed=7) if count > SAMPLED else texts)
    frame = pd.DataFrame(sample.toPandas()).astype("object")
    return Profile(source=table, columns=columns_of(frame), frame=frame, rows=count, partition=partition, days=days)


def as_texts(rows: DataFrame) -> DataFrame:
    """Every value as the text that it is read as."""
    return rows.select(*[F.coalesce(F.col(name).cast("string"), F.lit("")).alias(name) for name in rows.columns])


def refuse(table: str, partition: str, days: tuple[str, ...]) -> None:
    if not days:
        raise ValueError(f"{table} must have rows, got none")
    for day in days:
        try:
            good = str(date.fromisoformat(day)) == day
        except (TypeError, ValueError):
            good = False
        if not good:
            raise ValueError(f"{table} must be partitioned by days YYYY-MM-DD, got {partition}={day}")
