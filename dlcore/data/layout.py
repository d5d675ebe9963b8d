"""Which columns become which tensors: a user's fields, resolved against a schema."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

import numpy as np
import pyarrow as pa

from dlcore.data.cells import (
    FLOAT32_MAX,
    Array,
    Cells,
    Flags,
    Rowed,
    is_bytes,
    is_list,
    is_number,
    numbered,
    numbers,
    raw,
    shaped,
    split,
    usable,
    whole,
)
from dlcore.data.fields import BYTES, Dtype, Field, Tensors, dtype, fields
from dlcore.data.packed import Packed
from dlcore.data.vocabulary import Vocabulary

T = TypeVar("T")
ROWS_A_BLOCK = 4096
"""Columns are put side by side by so many rows: a block of some tens of columns stays in a core's cache while it is filled."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One tensor of a row: the ``columns`` it is made of, side by side if ``packed``, and its element type."""

    name: str
    columns: tuple[str, ...]
    dtype: str
    packed: bool = False
    shape: tuple[int, ...] | None = None
    words: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if not self.columns:
            raise ValueError(f"{self.name} must name at least one column, got none")
        if len(set(self.columns)) != len(self.columns):
            raise ValueError(f"{self.name} must name each column once, got {list(self.columns)}")

    @classmethod
    def of(cls, name: str, field: Field, schema: pa.Schema, *, listed: str | None) -> "Part":
        kinds = [schema.field(column).type for column in field.names]
        return cls(
            name=name,
            columns=field.names,
            dtype=dtype(field, schema, listed=listed),
            packed=field.listed and not any(is_list(kind) or is_bytes(kind) for kind in kinds),
            shape=field.shape,
            words=None if field.vocabulary is None else field.vocabulary.words,
        )

    @property
    def key(self) -> str:
        """The name that the user gave the tensor; empty for one alone."""
        return self.name.partition(".")[2]

    @property
    def field(self) -> Field:
        """What a user would say to get this tensor of columns of any type that can make it."""
        return Field(
            list(self.columns) if self.packed else self.columns[0],
            dtype=None if self.dtype == BYTES else cast(Dtype, self.dtype),
            shape=self.shape,
            vocabulary=None if self.words is None else Vocabulary(self.words),
        )

    def cells(self, batch: Rowed) -> Cells:
        """The rows of ``batch``, all usable, as an array or as bytes."""
        if self.dtype == BYTES:
            return whole(batch, self.columns[0])
        rows = self._packed(batch) if self.packed else self._single(whole(batch, self.columns[0]), self.columns[0])
        return shaped(rows, self.shape, ", ".join(self.columns))

    def usable_floats(self, batch: Rowed) -> Array | None:
        """The `cells` of columns of numbers side by side, where one look at all of them shows that they are usable; else None."""
        if not self.packed or self.words is not None or self.dtype != "float32":
            return None
        with np.errstate(over="ignore", invalid="ignore"):  # what single precision makes infinite is not usable
            found = batch.floats(self.columns) if isinstance(batch, Packed) else self._floats(batch)
        return shaped(found, self.shape, ", ".join(self.columns)) if found is not None and _small(found) else None

    def _floats(self, batch: Rowed) -> Array | None:
        columns = [batch.column(column) for column in self.columns]
        return self._side_by_side([each.to_numpy() for each in columns]) if all(map(_full, columns)) else None

    def usable(self, batch: Rowed) -> dict[str, Flags]:
        """For each column whether its rows can be used; of words, all can."""
        return {} if self.words is not None else {column: usable(whole(batch, column)) for column in self.columns}

    def _packed(self, batch: Rowed) -> Array:
        return self._side_by_side([self._flat(whole(batch, column), column) for column in self.columns])

    def _side_by_side(self, columns: Sequence[Array]) -> Array:
        packed = np.empty((len(columns[0]), len(columns)), dtype=self.dtype)
        for at in range(0, len(packed), ROWS_A_BLOCK):
            rows = slice(at, at + ROWS_A_BLOCK)
            np.stack([column[rows] for column in columns], axis=1, out=packed[rows], casting="unsafe")  # as astype does
        return packed

    def _single(self, values: pa.Array, column: str) -> Array:
        if is_list(values.type):
            found = split(self._flat(values.flatten(), column), values, column)
        else:
            found = raw(values, column) if is_bytes(values.type) else self._flat(values, column)
        return found.astype(self.dtype, copy=False)

    def _flat(self, values: pa.Array, column: str) -> Array:
        return numbers(values, self.dtype, column) if self.words is None else numbered(values, self.words)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The tensors of a row: what the model takes, and what the loss compares with (nothing, where rows are only scored)."""

    inputs: tuple[Part, ...]
    targets: tuple[Part, ...]

    @classmethod
    def of(cls, schema: pa.Schema, *, features: Tensors, label: Tensors | None = None) -> "Layout":
        """Read the types from a schema; a missing column is a ValueError that names it."""
        inputs, targets = fields(features, "input"), fields(label, "target")
        missing = [name for field in (inputs | targets).values() for name in field.names if name not in schema.names]
        if missing:
            raise ValueError(f"features and label must be columns of the data, {missing} are not among {schema.names}")
        return cls(
            inputs=tuple(Part.of(name, field, schema, listed="float32") for name, field in inputs.items()),
            targets=tuple(Part.of(name, field, schema, listed=None) for name, field in targets.items()),
        )

    @property
    def parts(self) -> tuple[Part, ...]:
        return self.inputs + self.targets

    @property
    def features(self) -> Tensors:
        """The inputs as a user would say them, element types included: columns of other types make the same, or are refused."""
        found = {part.key: part.field for part in self.inputs}
        return found.get("", found)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(column for part in self.parts for column in part.columns))

    @property
    def undecoded(self) -> list[str]:
        """Columns of bytes, which only a transform makes tensors of."""
        return [part.columns[0] for part in self.parts if part.dtype == BYTES]

    def cells(self, batch: Rowed) -> dict[str, Cells]:
        return {part.name: part.cells(batch) for part in self.parts}

    def usable_cells(self, batch: Rowed) -> dict[str, Cells] | None:
        """The `cells` of rows that are all usable; None where some are not, and `usable` tells which."""
        soon = {part.name: part.usable_floats(batch) for part in self.parts}
        doubtful = [part for part in self.parts if soon[part.name] is None]
        if not all(good.all() for part in doubtful for good in part.usable(batch).values()):
            return None
        return {part.name: part.cells(batch) if part in doubtful else soon[part.name] for part in self.parts}

    def checked_cells(self, batch: Rowed) -> dict[str, Cells]:
        """The `cells` of rows that must all be usable; else a ValueError that counts by column those that are not."""
        if (found := self.usable_cells(batch)) is None:
            raise unusable_error(self.unusable(batch))
        return found

    def pair(self, values: Mapping[str, T]) -> tuple[T | dict[str, T], T | dict[str, T]]:
        """Values by part as what the model gets and what the loss gets: a value alone, or a dict by the user's names."""
        return _bundle(self.inputs, values), _bundle(self.targets, values)

    def usable(self, batch: Rowed) -> dict[str, Flags]:
        """For each column whether its rows can be used; of words, all can."""
        return {column: good for part in self.parts for column, good in part.usable(batch).items()}

    def unusable(self, batch: Rowed) -> dict[str, int]:
        """How many rows of each column are null, NaN or infinite; only columns that have some."""
        counts = {column: int((~good).sum()) for column, good in self.usable(batch).items()}
        return {column: count for column, count in counts.items() if count}


def _full(column: pa.Array) -> bool:
    return is_number(column.type) and not column.null_count


def _small(numbers: Array) -> bool:
    """Whether the sum of squares is a number: so is each of ``numbers`` then. What is doubtful is not seen to be small."""
    flat = numbers.reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.dot(flat, flat) <= FLOAT32_MAX)


def _bundle(parts: Sequence[Part], values: Mapping[str, T]) -> T | dict[str, T]:
    if len(parts) == 1 and not parts[0].key:
        return values[parts[0].name]
    return {part.key: values[part.name] for part in parts}


def refuse_unusable(counts: Mapping[str, int]) -> None:
    """Raise a ValueError that names each column with values that cannot be trained on."""
    if counts:
        raise unusable_error(counts)


def unusable_error(counts: Mapping[str, int]) -> ValueError:
    found = ", ".join(f"{column} in {count} rows" for column, count in sorted(counts.items()))
    return ValueError(f"features and label must be finite numbers, got null, NaN or infinity for {found}")
