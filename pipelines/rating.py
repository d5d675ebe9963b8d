"""Rate the rows of Parquet files with a module, batch by batch, without Spark: rows may exceed memory, results are narrow."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import torch
from numpy.typing import NDArray
from pandas.util import hash_pandas_object
from torch import Tensor

BATCH = 16_384
Rate = Callable[[Tensor], Tensor]


def batches(folder: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Read the columns in batches, in the files' order; a missing column is an error that names it."""
    rows = ds.dataset(folder, format="parquet")
    missing = [name for name in columns if name not in rows.schema.names]
    if missing:
        raise ValueError(f"the rows of {folder} must have the columns a model asks for, lacking {missing}")
    yield from rows.to_batches(columns=list(columns), batch_size=BATCH)


def tensor(batch: pa.RecordBatch, features: Sequence[str]) -> Tensor:
    """The features (N, F) of a batch in single precision."""
    columns = [batch[name].to_numpy(zero_copy_only=False) for name in features]
    return torch.from_numpy(np.column_stack(columns).astype(np.float32))


def rate(folder: Path, features: Sequence[str], keep: Sequence[str], module: Rate) -> tuple[pa.Table, Tensor]:
    """Return the columns ``keep`` of every row, and what ``module`` makes of its features, row by row."""
    columns = list(dict.fromkeys([*keep, *features]))
    kept, rated = [], []
    with torch.inference_mode():
        for batch in batches(folder, columns):
            kept.append(batch.select(list(keep)))
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
