"""Rows rated by models: features as tensors, a batch at a time, and predictions as Parquet files with key, label and value."""

import hashlib
import itertools
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from pandas.util import hash_pandas_object
from pyspark.sql import DataFrame
from torch import Tensor

from infra.tables import hadoop
from pipelines.binary.frames.roles import Roles
from pipelines.binary.measures.scored import Scored

BATCH = 16_384
ONE_FILE = {"fragment_readahead": 1, "batch_readahead": 2}
"""Files are read one after the other: memory holds some of one."""
Rate = Callable[[Tensor], Tensor]


class ColumnsMissing(ValueError):
    """Rows lack columns that a model asks for."""


def batches(folder: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Read the columns in batches, in the files' order; a missing column is an error that names it."""
    rows = ds.dataset(folder, format="parquet")
    missing = [name for name in columns if name not in rows.schema.names]
    if missing:
        raise ColumnsMissing(f"the rows of {folder} must have the columns a model asks for, lacking {missing}")
    yield from rows.to_batches(columns=list(columns), batch_size=BATCH, **ONE_FILE)


def at(folder: Path, places_N: NDArray[np.int64], columns: Sequence[str]) -> pa.Table:
    """The columns of the rows at some places of the files' order, in the order of ``places_N``."""
    return ds.dataset(folder, format="parquet").take(pa.array(places_N), columns=list(columns), **ONE_FILE)


def tensor(batch: pa.RecordBatch | pa.Table, features: Sequence[str]) -> Tensor:
    """The features (N, F) of rows in single precision."""
    columns = [batch[name].to_numpy(zero_copy_only=False) for name in features]
    return torch.from_numpy(np.column_stack(columns).astype(np.float32))


def rate(folder: Path, features: Sequence[str], keep: Iterable[str], module: Rate) -> tuple[pa.Table, Tensor]:
    """Return the columns ``keep`` of every row, and what ``module`` makes of its features, row by row."""
    keep = list(keep)
    columns = list(dict.fromkeys([*keep, *features]))
    kept, rated = [], []
    with torch.inference_mode():
        for batch in batches(folder, columns):
            kept.append(batch.select(keep))
            rated.append(module(tensor(batch, features)))
    if not sum(len(each) for each in rated):
        raise ValueError(f"there must be rows to rate, got none in {folder}")
    return pa.Table.from_batches(kept), torch.cat(rated)


def fingerprint(folder: Path) -> str:
    """A hash of the set of rows in ``folder``: their order and their files do not matter, each value of each does."""
    names = sorted(ds.dataset(folder, format="parquet").schema.names)
    count, total, mixed = 0, 0, 0
    for batch in batches(folder, names):
        hashes: NDArray[np.uint64] = hash_pandas_object(batch.to_pandas(), index=False).to_numpy()
        count += len(hashes)
        total = (total + int(hashes.sum(dtype=np.uint64))) % 2**64
        mixed ^= int(np.bitwise_xor.reduce(hashes))
    return hashlib.sha256(f"{names} {count} {total} {mixed}".encode()).hexdigest()[:32]


def write(frame: DataFrame, folder: Path, roles: Roles) -> None:
    """Write what goes with a row, and ``probability``."""
    frame.select(*roles.kept, "probability").write.mode("overwrite").parquet(hadoop.uri(folder))


def lay(
    rows: Iterable[pa.RecordBatch], rate: Callable[[pa.RecordBatch], NDArray[np.float64]], folder: Path, roles: Roles
) -> None:
    """Rate rows a batch at a time, and write them as ``write`` does, without Spark."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rated = (
        batch.select(list(roles.kept)).append_column("probability", pa.array(rate(batch)))
        for batch in rows
        if len(batch)
    )
    first = next(rated)
    with pq.ParquetWriter(folder / "part-0.parquet", first.schema) as file:
        for batch in itertools.chain([first], rated):
            file.write_batch(batch)


def count(folder: Path) -> int:
    """How many rows were rated."""
    return int(ds.dataset(folder, format="parquet").count_rows())


def of_same_rows(folder: Path, rows: pa.Table, roles: Roles) -> bool:
    """Whether the predictions in ``folder`` are of exactly these rows, by their keys."""
    key = list(roles.key)
    rated = ds.dataset(folder, format="parquet").to_table(columns=key).cast(rows.select(key).schema)
    return bool(in_order(rated, key).equals(in_order(rows.select(key), key)))


def in_order(rows: pa.Table, key: Sequence[str]) -> pa.Table:
    return rows.sort_by([(name, "ascending") for name in key])


def read(folder: Path, roles: Roles) -> Scored:
    """Read rows in the order of their key, so that the n-th row is the same one for every model."""
    rows = ds.dataset(folder, format="parquet").to_table()
    return scored(rows, rows["probability"].to_numpy(), roles)


def scored(rows: pa.Table, probability_N: NDArray[np.float64], roles: Roles) -> Scored:
    """Put rows and their probabilities in the order of their key."""
    order = pc.sort_indices(rows.select(list(roles.key)), sort_keys=[(name, "ascending") for name in roles.key])
    ordered = rows.take(order)
    return Scored(
        label=ordered[roles.label].to_numpy().astype(np.int64),
        value=ordered[roles.value].to_numpy().astype(np.float64) if roles.value else np.ones(len(ordered)),
        probability=probability_N[order.to_numpy()],
        time=seconds(ordered, roles.time),
        entity=ordered[roles.entity].to_numpy().astype(np.int64) if roles.entity else None,
    )


def seconds(rows: pa.Table | pa.RecordBatch, time: str) -> NDArray[np.float64]:
    """Numbers of seconds, dates or timestamps as numbers of seconds."""
    values = rows[time]
    if not pa.types.is_temporal(values.type):
        return np.asarray(values, dtype=np.float64)
    micros = values.cast(pa.timestamp("us", getattr(values.type, "tz", None))).cast(pa.int64())
    return np.asarray(micros, dtype=np.float64) / 1e6
