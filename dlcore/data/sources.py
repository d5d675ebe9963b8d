"""Where rows come from: Spark DataFrames, Arrow data sets and tables in memory.

They are recognised without an import of Spark, Arrow's data sets or pandas, a second each: unless it is loaded, nothing is one.
"""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias, TypeGuard

import pyarrow as pa

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow.dataset as ds
    from pyspark.sql import DataFrame

    from dlcore.data.layout import Layout

    Tabular: TypeAlias = pa.Table | pd.DataFrame
    Data: TypeAlias = DataFrame | ds.Dataset | Tabular
    Laid: TypeAlias = Callable[[pa.Schema], Layout]


def is_frame(data: object) -> "TypeGuard[DataFrame]":
    spark = sys.modules.get("pyspark.sql")
    return spark is not None and isinstance(data, spark.DataFrame)


def is_dataset(data: object) -> "TypeGuard[ds.Dataset]":
    datasets = sys.modules.get("pyarrow.dataset")
    return datasets is not None and isinstance(data, datasets.Dataset)


def table_of(data: "Tabular") -> pa.Table:
    return data if isinstance(data, pa.Table) else pa.Table.from_pandas(data, preserve_index=False)
