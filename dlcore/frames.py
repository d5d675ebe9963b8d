"""Spark DataFrames, recognised without an import of pyspark: where it is not loaded, nothing is one."""

import sys
from typing import TYPE_CHECKING, TypeGuard

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def is_frame(data: object) -> "TypeGuard[DataFrame]":
    spark = sys.modules.get("pyspark.sql")
    return spark is not None and isinstance(data, spark.DataFrame)
