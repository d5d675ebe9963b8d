"""Spark DataFrames and Arrow data sets, recognised without an import of theirs, a second each: unless it is loaded, nothing is one."""

import sys
from typing import TYPE_CHECKING, TypeGuard

if TYPE_CHECKING:
    import pyarrow.dataset as ds
    from pyspark.sql import DataFrame


def is_frame(data: object) -> "TypeGuard[DataFrame]":
    spark = sys.modules.get("pyspark.sql")
    return spark is not None and isinstance(data, spark.DataFrame)


def is_dataset(data: object) -> "TypeGuard[ds.Dataset]":
    datasets = sys.modules.get("pyarrow.dataset")
    return datasets is not None and isinstance(data, datasets.Dataset)
