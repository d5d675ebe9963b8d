"""Arrow columns as arrays: numbers, arrays of one length, words by their number, bytes; and which rows of them can be used."""

import math
from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Array = NDArray[Any]
Flags = NDArray[np.bool_]
Cells: TypeAlias = Array | pa.LargeBinaryArray
"""A column's rows: an array whose first axis counts rows, or bytes of any length a row."""


class Rowed(Protocol):
    """Rows by column: a record batch, a table, or what stands for one."""

    @property
    def num_rows(self) -> int: ...

    def column(self, name: str, /) -> pa.Array | pa.ChunkedArray: ...


FLOAT32_MAX = float(np.finfo(np.float32).max)


def is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))


def is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def is_number(kind: pa.DataType) -> bool:
    """A kind whose values numpy holds as they are."""
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def element(kind: pa.DataType) -> pa.DataType:
    """The type of a cell, or of what is in a cell's array; words stored by number count as words."""
    inner = kind.value_type if is_list(kind) else kind
    return inner.value_type if pa.types.is_dictionary(inner) else inner


def whole(batch: Rowed, column: str) -> pa.Array:
    """A column in one piece, bytes and words with offsets that no size overflows."""
    values = batch.column(column)
    if isinstance(values, pa.Array) and pa.types.is_primitive(values.type):
        return values
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if is_bytes(values.type):
        values = values.cast(pa.large_binary())
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def usable(values: pa.Array) -> Flags:
    """Which rows hold neither null nor NaN nor a number that float32 makes infinite."""
    good = np.ones(len(values), bool)
    if values.null_count:
        good = np.array(values.is_valid().to_numpy(zero_copy_only=False))
    if pa.types.is_floating(values.type):
        found = values.to_numpy(zero_copy_only=False)
        with np.errstate(over="ignore", invalid="ignore"):
            squares = np.dot(found, found)
        # Where their sum is small so is each number, and none is NaN: one pass for most columns.
        if not squares <= FLOAT32_MAX:
            good &= np.abs(found) <= FLOAT32_MAX
    elif is_list(values.type):
        there = values.drop_null() if values.null_count else values
        bad = ~usable(there.flatten())
        if bad.any():
            parents = pc.list_parent_indices(there).to_numpy()
            good[np.flatnonzero(good)[parents[bad]]] = False
    return good


def numbers(values: pa.Array, dtype: str, column: str) -> Array:
    """Usable numbers or truth values as an array that can be cast to ``dtype``."""
    if pa.types.is_decimal(values.type) or pa.types.is_boolean(values.type):
        values = values.cast(pa.int8() if pa.types.is_boolean(values.type) else pa.float64())
    found = np.asarray(values.to_numpy(zero_copy_only=False))
    if dtype == "uint8" and len(found) and (found.min() < 0 or found.max() > 255):
        raise ValueError(f"column {column} must hold 0 to 255 to be uint8, got {found.min()} to {found.max()}")
    return found


def numbered(values: pa.Array, words: Sequence[str]) -> Array:
    """The number of each word from one; zero for other words and null. What is no text is compared as text."""
    known = pa.array(words, pa.large_string())
    found = pc.index_in(values.cast(pa.large_string()), value_set=known)
    return np.asarray(found.fill_null(-1).to_numpy(zero_copy_only=False)).astype(np.int64) + 1


def split(flat: Array, values: pa.Array, column: str) -> Array:
    """The elements of an array column as [rows, length]; arrays of several lengths are a ValueError."""
    width, rest = divmod(len(flat), max(1, len(values)))
    lengths = pc.list_value_length(values).to_numpy(zero_copy_only=False)
    if rest or not (lengths == width).all():
        raise ragged(column, sorted(set(lengths.tolist())))
    return flat.reshape(len(values), width)


def raw(values: pa.LargeBinaryArray, column: str) -> Array:
    """Bytes of one length a row as [rows, length]."""
    lengths = np.unique(pc.binary_length(values).to_numpy(zero_copy_only=False))
    if len(lengths) > 1:
        raise ragged(column, lengths.tolist())
    _, offsets, content = values.buffers()
    ends = np.frombuffer(offsets, np.int64)[values.offset : values.offset + len(values) + 1]
    flat = np.frombuffer(content or b"", np.uint8)[ends[0] : ends[-1]]
    return flat.reshape(len(values), int(lengths[0]) if len(lengths) else 0)


def shaped(array: Array, shape: tuple[int, ...] | None, column: str) -> Array:
    """The same rows, each in ``shape``."""
    if shape is None:
        return array
    if len(array) and array[0].size != math.prod(shape):
        raise ValueError(
            f"column {column} must hold {math.prod(shape)} elements a row to be of shape {shape}, got {array[0].size}"
        )
    return array.reshape(len(array), *shape)


def ragged(column: str, lengths: Sequence[int]) -> ValueError:
    return ValueError(
        f"arrays of column {column} must all have one length, got {list(lengths)[:5]}; pad or cut them, or keep what varies "
        "in a binary column and make it of one shape in Training.transform"
    )
