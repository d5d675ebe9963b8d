"""Labelled rows with a model's probability, kept as Parquet so that every model is measured on the same rows."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from numpy.typing import NDArray
from pyspark.sql import DataFrame

from pipelines.measures import Scored

KEY = ("source_file", "source_line")


def write(frame: DataFrame, folder: Path, *, label: str, amount: str, key: Sequence[str] = KEY) -> None:
    """Write key, label, amount and ``probability`` of each row."""
    columns = [frame[label].alias("fraud"), frame[amount].alias("amount"), frame["probability"]]
    frame.select(*key, *columns).write.mode("overwrite").parquet(str(folder))


def count(folder: Path) -> int:
    """How many rows were rated."""
    return int(ds.dataset(folder, format="parquet").count_rows())


def of_same_rows(folder: Path, rows: pa.Table, key: Sequence[str] = KEY) -> bool:
    """Whether the predictions in ``folder`` are of exactly these rows, by their keys."""
    rated = ds.dataset(folder, format="parquet").to_table(columns=list(key)).cast(rows.select(list(key)).schema)
    return bool(in_order(rated, key).equals(in_order(rows.select(list(key)), key)))


def in_order(rows: pa.Table, key: Sequence[str]) -> pa.Table:
    return rows.sort_by([(name, "ascending") for name in key])


def read(folder: Path, key: Sequence[str] = KEY) -> Scored:
    """Read rows in the order of their key, so that the n-th row is the same one for every model."""
    rows = ds.dataset(folder, format="parquet").to_table()
    return scored(rows, rows["probability"].to_numpy(), label="fraud", amount="amount", key=key)


def scored(
    rows: pa.Table, probability_N: NDArray[np.float64], *, label: str, amount: str, key: Sequence[str] = KEY
) -> Scored:
    """Put rows and their probabilities in the order of their key."""
    order = pc.sort_indices(rows.select(list(key)), sort_keys=[(name, "ascending") for name in key])
    ordered = rows.take(order)
    return Scored(
        fraud=ordered[label].to_numpy().astype(np.int64),
        amount=ordered[amount].to_numpy().astype(np.float64),
        probability=probability_N[order.to_numpy()],
    )
