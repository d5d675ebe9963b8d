"""Random access to the rows of a data set: held in this process's memory, or mapped from files."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from dlcore.data.cells import Array, Cells
from dlcore.data.layout import Layout
from dlcore.data.order import Indices
from dlcore.storage.scratch import Shared

Gathered: TypeAlias = dict[str, Tensor | list[bytes]]
"""Rows by part: a tensor whose first axis counts them, or the bytes of each."""


class Rows(Protocol):
    """Random access to rows: ``gather`` gives the rows with the numbers asked for, in that order, by part."""

    @property
    def layout(self) -> Layout: ...

    @property
    def count(self) -> int: ...

    @property
    def window(self) -> int:
        """How many rows may be shuffled among each other."""
        ...

    def gather(self, indices: Indices) -> Gathered: ...


class Resident:
    """Rows in this process's own memory."""

    def __init__(self, layout: Layout, cells: Mapping[str, Cells], *, window: int | None = None) -> None:
        self.layout = layout
        self._cells = {name: _own(each) for name, each in cells.items()}
        self.count = len(next(iter(cells.values())))
        self.bytes = sum(each.nbytes for each in cells.values())
        self.window = window or self.count

    def gather(self, indices: Indices) -> Gathered:
        picked = torch.from_numpy(indices)
        return {
            name: cells.index_select(0, picked) if isinstance(cells, Tensor) else cells.take(indices).to_pylist()
            for name, cells in self._cells.items()
        }


class Mapped:
    """Rows in mapped files: the kernel keeps what fits, and nothing counts as this process's own memory."""

    def __init__(
        self, layout: Layout, pieces: Sequence[Mapping[str, Cells]], *, window: int, copy: Shared | None = None
    ) -> None:
        self.layout = layout
        self.window = window
        self._pieces, self._copy = pieces, copy  # the copy stays while it is held
        self._ends = np.cumsum([len(next(iter(piece.values()))) for piece in pieces])
        self.count = int(self._ends[-1])

    def gather(self, indices: Indices) -> Gathered:
        owners = np.searchsorted(self._ends, indices, side="right")
        places = {int(owner): np.flatnonzero(owners == owner) for owner in np.unique(owners)}
        return {part.name: self._part(part.name, indices, places) for part in self.layout.parts}

    def _part(self, name: str, indices: Indices, places: Mapping[int, Indices]) -> Tensor | list[bytes]:
        first = self._pieces[0][name]
        if isinstance(first, np.ndarray):
            tensor, found = aligned((len(indices), *first.shape[1:]), first.dtype)
        else:
            tensor, found = None, np.empty(len(indices), dtype=object)
        for owner, mine in places.items():
            piece = self._pieces[owner][name]
            rows = indices[mine] - (self._ends[owner] - len(piece))
            found[mine] = piece[rows] if isinstance(piece, np.ndarray) else piece.take(rows).to_pylist()
        return found.tolist() if tensor is None else tensor


def aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[Tensor, Array]:
    """New memory as tensor and array: torch's begins on 64-byte lines, so that vector code rounds alike in every process."""
    tensor = torch.empty(shape, dtype=torch.from_numpy(np.empty(0, dtype)).dtype)
    return tensor, tensor.numpy()


def _own(cells: Cells) -> Tensor | pa.LargeBinaryArray:
    return torch.from_numpy(np.require(cells, requirements=["C", "W"])) if isinstance(cells, np.ndarray) else cells
