"""Which columns become which tensors.

Numeric features are packed into one float32 matrix, in the order given; a single array column is a tensor of its own. A target keeps
its kind: whole numbers stay int64, as class numbers; everything else is float32.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One tensor of a row: the ``columns`` it is made of and its element type."""

    name: str
    columns: tuple[str, ...]
    dtype: str

    def __post_init__(self) -> None:
        if not self.columns:
            raise ValueError(f"{self.name} must name at least one column, got none")
        if len(set(self.columns)) != len(self.columns):
            raise ValueError(f"{self.name} must name each column once, got {list(self.columns)}")

    def array(self, batch: pa.RecordBatch | pa.Table) -> Array:
        """The rows of ``batch`` as one array; null becomes NaN. Several columns stand side by side: [rows, columns]."""
        if len(self.columns) == 1 and not _is_list(batch.schema.field(self.columns[0]).type):
            values = _scalars(batch, self.columns[0], self.dtype)
            return values if self.name == "target" else values.reshape(-1, 1)
        if len(self.columns) == 1:
            return _lists(batch, self.columns[0], self.dtype)
        packed = np.empty((batch.num_rows, len(self.columns)), dtype=self.dtype)
        for place, column in enumerate(self.columns):
            packed[:, place] = _scalars(batch, column, self.dtype)
        return packed


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The tensors of a row: what the model takes, and what the loss compares with."""

    input: Part
    target: Part

    @classmethod
    def of(cls, schema: pa.Schema, *, features: Sequence[str], label: str) -> "Layout":
        """Read the types from a schema; a missing column is a ValueError that names it."""
        missing = [name for name in (*features, label) if name not in schema.names]
        if missing:
            raise ValueError(f"features and label must be columns of the data, {missing} are not among {schema.names}")
        whole = pa.types.is_integer(schema.field(label).type)
        return cls(
            input=Part(name="input", columns=tuple(features), dtype="float32"),
            target=Part(name="target", columns=(label,), dtype="int64" if whole else "float32"),
        )

    @property
    def parts(self) -> tuple[Part, ...]:
        return self.input, self.target

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(column for part in self.parts for column in part.columns))

    def arrays(self, batch: pa.RecordBatch | pa.Table) -> dict[str, Array]:
        return {part.name: part.array(batch) for part in self.parts}

    def unusable(self, batch: pa.RecordBatch | pa.Table) -> dict[str, int]:
        """How many rows of each column are null, NaN or infinite; only columns that have some."""
        counts = {column: _unusable(batch.column(column)) for column in self.columns}
        return {column: count for column, count in counts.items() if count}


def refuse_unusable(counts: Mapping[str, int]) -> None:
    """Raise a ValueError that names each column with values that cannot be trained on."""
    if counts:
        found = ", ".join(f"{column} in {count} rows" for column, count in sorted(counts.items()))
        raise ValueError(f"features and label must be finite numbers, got null, NaN or infinity for {found}")


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _scalars(batch: pa.RecordBatch | pa.Table, column: str, dtype: str) -> Array:
    values = batch.column(column)
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if pa.types.is_decimal(values.type) or pa.types.is_boolean(values.type):
        values = values.cast(pa.int8() if pa.types.is_boolean(values.type) else pa.float64())
    if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
        raise ValueError(f"column {column} must hold numbers, got {values.type}")
    return np.asarray(values.to_numpy(zero_copy_only=False)).astype(dtype, copy=False)


def _lists(batch: pa.RecordBatch | pa.Table, column: str, dtype: str) -> Array:
    values = batch.column(column)
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    flat = np.asarray(values.flatten().to_numpy(zero_copy_only=False)).astype(dtype, copy=False)
    width, rest = divmod(len(flat), max(1, len(values)))
    lengths = pc.list_value_length(values).to_numpy(zero_copy_only=False)
    if rest or not (lengths == width).all():
        raise ValueError(f"arrays of column {column} must all have one length, got {sorted(set(lengths.tolist()))[:5]}")
    return flat.reshape(len(values), width)


def _unusable(values: pa.Array | pa.ChunkedArray) -> int:
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if _is_list(values.type):
        return int(values.null_count) or _unusable(values.flatten())
    bad = int(values.null_count)
    if pa.types.is_floating(values.type):
        bad += len(values) - bad - int(pc.sum(pc.is_finite(values)).as_py() or 0)
    return bad
