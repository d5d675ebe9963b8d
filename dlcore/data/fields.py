"""What a user says of the columns that make a tensor, and the element type that follows.

| given | the tensor of a step |
|---|---|
| ``["a", "b"]`` | the columns side by side as one float32 matrix (a label of whole numbers alone: int64) |
| ``"a"`` | numbers as [rows], arrays as [rows, length], of the column's own kind |
| ``{"x": "a", "y": ["b", "c"]}`` | several tensors by name: the model's keyword arguments, or a dict for the loss |
| ``Field("a", ...)`` | in place of a column or a list: with what types alone do not say |

A column's own kind: whole numbers are int64, as class numbers or an embedding's indices; arrays of unsigned bytes stay uint8; every
other number is float32. Bytes stay bytes, for ``Training.transform``; with a ``shape`` they are the elements themselves, uint8.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import pyarrow as pa

from dlcore.data.cells import element, is_bytes, is_list, is_text
from dlcore.data.vocabulary import Vocabulary

Dtype = Literal["float32", "int64", "uint8"]
BYTES = "bytes"


@dataclass(frozen=True)
class Field:
    """A column, or a list of them, as a tensor of ``dtype`` whose rows have ``shape``; words by their number in ``vocabulary``."""

    columns: str | Sequence[str]
    dtype: Dtype | None = None
    shape: tuple[int, ...] | None = None
    vocabulary: Vocabulary | None = None

    def __post_init__(self) -> None:
        if self.dtype is not None and self.dtype not in get_args(Dtype):
            raise ValueError(f"Field.dtype must be one of {get_args(Dtype)}, got {self.dtype!r}")
        if self.shape is not None and min(self.shape, default=1) < 1:
            raise ValueError(f"Field.shape must be of lengths of at least one, got {self.shape}")
        if self.vocabulary is not None and self.dtype not in (None, "int64"):
            raise ValueError(f"the numbers of a vocabulary's words are int64, got Field.dtype={self.dtype!r}")

    @property
    def listed(self) -> bool:
        return not isinstance(self.columns, str)

    @property
    def names(self) -> tuple[str, ...]:
        return (self.columns,) if isinstance(self.columns, str) else tuple(self.columns)


Columns: TypeAlias = str | Sequence[str] | Field
Tensors: TypeAlias = Columns | Mapping[str, Columns]


def fields(given: Tensors | None, name: str) -> dict[str, Field]:
    """Each tensor's field under ``name``, or under ``name.KEY`` where the user gave keys."""
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return {f"{name}.{key}": _field(columns) for key, columns in given.items()}
    return {name: _field(given)}


def _field(given: Columns) -> Field:
    return given if isinstance(given, Field) else Field(given)


def dtype(field: Field, schema: pa.Schema, *, listed: str | None) -> str:
    """The element type of a field's tensor: the one asked for, else ``listed`` for a list, else the columns' own kind."""
    own = {_own(field, name, schema.field(name).type) for name in field.names}
    if len(field.names) > 1:
        _refuse_arrays(field, schema)
    wanted = field.dtype or (
        listed if field.listed and own <= {"float32", "int64", "uint8"} and not field.vocabulary else None
    )
    if wanted is None:
        return own.pop() if len(own) == 1 else "float32"
    if BYTES in own or (wanted != "float32" and "float32" in own):
        raise ValueError(f"columns {list(field.names)} cannot be {wanted}, they hold {sorted(own)}; cast them first")
    return wanted


def _own(field: Field, name: str, kind: pa.DataType) -> str:
    inner = element(kind)
    number = pa.types.is_integer(inner)
    if field.vocabulary is not None:
        if number or is_text(inner):
            return "int64"
        raise ValueError(f"column {name} must hold text or whole numbers for a vocabulary, got {kind}")
    if is_bytes(kind):
        return BYTES if field.shape is None else "uint8"
    if number:
        return "uint8" if is_list(kind) and inner == pa.uint8() else "int64"
    if pa.types.is_floating(inner) or pa.types.is_decimal(inner) or pa.types.is_boolean(inner):
        return "float32"
    raise ValueError(
        f"column {name} must hold numbers, got {kind}; arrays of numbers and bytes are taken too, and text with "
        "Field(column, vocabulary=Vocabulary.of(data, column))"
    )


def _refuse_arrays(field: Field, schema: pa.Schema) -> None:
    arrays = [name for name in field.names if is_list(schema.field(name).type) or is_bytes(schema.field(name).type)]
    if arrays:
        raise ValueError(
            f"columns side by side must hold one number each, got arrays or bytes in {arrays}; name them apart: "
            f'{{"x": "{arrays[0]}", ...}}'
        )
