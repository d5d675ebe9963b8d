"""A user's function over rows on their way to the model: decode, augment, pad.

``transform(x, y, generator)`` gets what the model and the loss get, of one row: arrays, numbers or bytes, or a dict of them by name. It
returns the two as they shall be: arrays, tensors or numbers of one shape in all rows of a step, whole numbers as int64, uint8 as it is,
everything else as float32. ``generator`` is a function of seed, epoch and row, so that an augmented row is the same whichever worker or
thread makes it, and the row's own until the function returns; it is None for rows of validation, which take no chances.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import torch
from numpy.random import Generator
from torch import Tensor

from dlcore.data.layout import Layout
from dlcore.data.rows import Gathered, aligned

Transform: TypeAlias = Callable[[Any, Any, Generator | None], tuple[Any, Any]]
Stacked: TypeAlias = Tensor | dict[str, Tensor]


def transformed(
    transform: Transform, layout: Layout, gathered: Gathered, chances: Iterable[Generator | None]
) -> tuple[Stacked, Stacked]:
    """Rows as what the model and the loss get, each through ``transform`` with its chances."""
    cells = {name: each.numpy() if isinstance(each, Tensor) else each for name, each in gathered.items()}
    made = [applied(transform, *layout.pair(row_of(cells, row)), each) for row, each in enumerate(chances)]
    return stacked([x for x, _ in made], "x"), stacked([y for _, y in made], "y")


def row_of(cells: Mapping[str, Any], row: int) -> dict[str, Any]:
    """One row by part: arrays, numbers, bytes."""
    picked = {name: each[row] for name, each in cells.items()}
    return {name: each.as_py() if isinstance(each, pa.Scalar) else each for name, each in picked.items()}


def applied(transform: Transform, x: Any, y: Any, generator: Generator | None) -> tuple[Any, Any]:
    pair = transform(x, y, generator)
    if not isinstance(pair, tuple) or len(pair) != 2:
        raise TypeError(f"Training.transform must return a pair (x, y), got {type(pair).__name__}")
    return pair


def stacked(values: Sequence[Any], name: str) -> Stacked:
    """One tensor of all rows; of dicts, one for each key."""
    if isinstance(values[0], Mapping):
        return {key: _stacked([value[key] for value in values], f"{name}[{key!r}]") for key in values[0]}
    return _stacked(values, name)


def _stacked(values: Sequence[Any], name: str) -> Tensor:
    shapes = sorted({tuple(np.shape(value)) for value in values})
    if len(shapes) > 1:
        raise ValueError(f"Training.transform must give {name} one shape in all rows, got {shapes[:5]}")
    if isinstance(values[0], Tensor):
        rows = torch.stack(list(values))
        whole = not (rows.is_floating_point() or rows.dtype == torch.bool)
        return rows if rows.dtype == torch.uint8 else rows.to(torch.int64 if whole else torch.float32)
    arrays = [np.asarray(value) for value in values]
    kind = np.result_type(*arrays)
    if kind.kind not in "biuf":
        raise TypeError(f"Training.transform must make numbers of {name}, got {type(values[0]).__name__}")
    narrow = np.uint8 if kind == np.uint8 else np.float32 if kind.kind in "bf" else np.int64
    tensor, out = aligned((len(arrays), *shapes[0]), np.dtype(narrow))
    np.stack(arrays, out=out)
    return tensor
