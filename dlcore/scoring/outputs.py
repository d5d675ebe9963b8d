"""What a prediction becomes: a column of a declared type for each output, one value a row.

| what an output gives of n rows | kinds |
|---|---|
| a tensor or array [n] or [n, 1] | numbers: ``double``, ``float``, ``bigint``, ``int``, ``boolean`` ... |
| a tensor or array [n, length], [n, height, width] ... | ``array<float>``, ``array<array<float>>`` ...; [n, length] in uint8: ``binary`` |
| a dict of such by name | ``struct<name: kind, ...>`` |
| a list of n values: numbers, text, bytes, dicts, lists, None | any |
| a list of n dicts of tensors of one length, such as a detector's | ``array<struct<box: array<float>, score: float>>``, several a row |
"""

import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from dlcore.data.cells import Array, is_bytes, is_list

PLAIN = {
    "boolean": pa.bool_(),
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "string": pa.string(),
    "binary": pa.binary(),
}


class OutputError(ValueError):
    """An output gives other values than it is declared to, which is no row's fault."""


@dataclass(frozen=True)
class Output:
    """A column of Spark's type ``kind``, as in a schema string; ``of`` makes its values of the prediction of some rows.

    Without ``of`` they are the prediction itself, or its entry of the column's name where the model gives a dict.
    """

    kind: str = "double"
    of: Callable[[Any], Any] | None = None

    def __post_init__(self) -> None:
        arrow(self.kind)

    def column(self, name: str, prediction: Any, rows: int) -> pa.Array:
        """The values of ``rows`` rows."""
        found = self._found(name, prediction)
        try:
            values = column(found, arrow(self.kind))
        except (pa.ArrowException, TypeError, KeyError, ValueError) as error:
            raise OutputError(
                f"output {name} must give values of kind {self.kind}, got {_told(found)} ({type(error).__name__}: {error})"
            ) from error
        if len(values) != rows:
            raise OutputError(
                f"output {name} must give one {self.kind} a row, got {_told(found)}: {len(values)} for {rows} rows"
            )
        return values

    def _found(self, name: str, prediction: Any) -> Any:
        if self.of is not None:
            return self.of(prediction)
        if not isinstance(prediction, Mapping):
            return prediction
        if name not in prediction:
            raise OutputError(f"output {name} must be one of the model's predictions, got {sorted(prediction)}")
        return prediction[name]


Outputs: TypeAlias = Mapping[str, Output | Callable[[Any], Any]]
"""Columns by name; a function alone makes a double."""


def declared(outputs: Outputs) -> dict[str, Output]:
    return {name: each if isinstance(each, Output) else Output(of=each) for name, each in outputs.items()}


def arrow(kind: str) -> pa.DataType:
    """The Arrow type of a Spark type that is written as in a schema string."""
    words = deque(re.findall(r"\w+|\S", kind))
    try:
        found = _parsed(words)
    except (LookupError, SyntaxError) as error:
        raise _unknown(kind) from error
    if words:
        raise _unknown(kind)
    return found


def _unknown(kind: str) -> ValueError:
    return ValueError(
        f"Output.kind must be of {', '.join(PLAIN)}, array<kind> and struct<name: kind, ...>, got {kind!r}"
    )


def _parsed(words: deque[str]) -> pa.DataType:
    word = words.popleft().lower()
    if word == "array":
        _expect(words, "<")
        inner = _parsed(words)
        _expect(words, ">")
        return pa.list_(inner)
    if word != "struct":
        return PLAIN[word]
    fields, mark = [], _expect(words, "<")
    while mark != ">":
        name = words.popleft()
        _expect(words, ":")
        fields.append(pa.field(name, _parsed(words)))
        mark = _expect(words, ",>")
    return pa.struct(fields)


def _expect(words: deque[str], marks: str) -> str:
    if (found := words.popleft()) not in marks:
        raise SyntaxError(f"{marks} must follow, got {found}")
    return found


def column(found: Any, kind: pa.DataType) -> pa.Array:
    """Values of rows as an Arrow array of ``kind``."""
    if isinstance(found, Tensor):
        return _of_array(_array(found), kind)
    if isinstance(found, np.ndarray):
        return _of_array(found, kind)
    if isinstance(found, Mapping):
        return pa.StructArray.from_arrays([column(found[each.name], each.type) for each in kind], fields=list(kind))
    if is_list(kind) and pa.types.is_struct(kind.value_type) and found and all(map(_of_arrays, found)):
        return _several(found, kind)
    return pa.array([_plain(value, kind) for value in found], type=kind)


def _of_arrays(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(each, Tensor | np.ndarray) for each in value.values())


def _several(found: Sequence[Mapping[str, Any]], kind: pa.DataType) -> pa.Array:
    """Several structs a row without a Python object for any of them, since a detector gives hundreds of a picture."""
    fields = list(kind.value_type)
    arrays = [{field.name: _array(torch.as_tensor(each[field.name])) for field in fields} for each in found]
    lengths = [{len(array) for array in each.values()} for each in arrays]
    if any(len(each) != 1 for each in lengths):
        raise ValueError("the arrays of a row's structs must be of one length")
    ends = np.cumsum([0, *(min(each) for each in lengths)], dtype=np.int32)
    columns = [_of_array(np.concatenate([each[field.name] for each in arrays]), field.type) for field in fields]
    return pa.ListArray.from_arrays(pa.array(ends), pa.StructArray.from_arrays(columns, fields=fields), type=kind)


def _array(tensor: Tensor) -> Array:
    """A tensor as an array; kinds that numpy has not, such as bfloat16, in single precision."""
    tensor = tensor.detach()
    if tensor.is_floating_point() and tensor.dtype not in (torch.float16, torch.float32, torch.float64):
        tensor = tensor.float()
    return np.asarray(tensor.numpy())


def _of_array(array: Array, kind: pa.DataType) -> pa.Array:
    if is_bytes(kind):
        if array.dtype != np.uint8 or array.ndim != 2:
            raise ValueError("bytes are of a uint8 tensor [rows, length]")
        return pa.array([row.tobytes() for row in array], type=kind)
    if not is_list(kind):
        if array.size != len(array):
            raise ValueError("a number a row is of a tensor [rows] or [rows, 1]")
        return pa.array(np.ascontiguousarray(array.reshape(-1))).cast(kind)
    if array.ndim < 2:
        raise ValueError("an array a row is of a tensor [rows, length]")
    rows, length = array.shape[:2]
    ends = pa.array(np.arange(rows + 1, dtype=np.int32) * length)
    return pa.ListArray.from_arrays(ends, _of_array(array.reshape(-1, *array.shape[2:]), kind.value_type), type=kind)


def _plain(value: Any, kind: pa.DataType) -> Any:
    """One row's value as Python's own, for Arrow."""
    if value is None:
        return None
    if isinstance(value, Tensor | np.ndarray):
        array = _array(value) if isinstance(value, Tensor) else value
        return array.tobytes() if is_bytes(kind) else array.tolist()
    if pa.types.is_struct(kind):
        return {each.name: _plain(value[each.name], each.type) for each in kind}
    if is_list(kind) and isinstance(value, Mapping):
        columns = {each.name: _plain(value[each.name], pa.list_(each.type)) for each in kind.value_type}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if is_list(kind):
        return [_plain(each, kind.value_type) for each in value]
    return value


def _told(found: Any) -> str:
    if isinstance(found, Tensor | np.ndarray):
        return f"{str(found.dtype).removeprefix('torch.')}{list(found.shape)}"
    return f"{type(found).__name__}{f' of {len(found)}' if isinstance(found, Sequence | Mapping) else ''}"
