"""Training data as files: Arrow pieces written once, mapped into memory by the workers, described by one JSON index."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from dlcore.files import Folder
from dlcore.layout import Array, Layout, Part
from dlcore.order import Indices

INDEX = "index.json"
PIECE_BYTES = 32 * 2**20
RESIDENT_BYTES = 256 * 2**20
"""Below this size a worker holds its own copy of the data: one gather instead of one a piece."""
WINDOW_BYTES = 128 * 2**20
"""Of larger data, rows within this much are shuffled among each other."""


class Rows(Protocol):
    """Random access to rows: ``gather`` gives the tensors of the rows with the numbers asked for, in that order."""

    @property
    def count(self) -> int: ...

    @property
    def window(self) -> int:
        """How many rows may be shuffled among each other."""
        ...

    def gather(self, indices: Indices) -> tuple[Tensor, Tensor]: ...


@dataclass(frozen=True, kw_only=True)
class Shards:
    """The index of a data set: its layout, its pieces in order, and the fingerprint of what is in them."""

    layout: Layout
    files: tuple[str, ...]
    rows: tuple[int, ...]
    bytes: int
    fingerprint: str

    @property
    def count(self) -> int:
        return sum(self.rows)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Shards":
        content = json.loads(text)
        parts = {
            name: Part(name=part["name"], columns=tuple(part["columns"]), dtype=part["dtype"])
            for name, part in content.pop("layout").items()
        }
        content |= {"files": tuple(content["files"]), "rows": tuple(content["rows"])}
        return cls(layout=Layout(**parts), **content)

    def open(self, folder: Folder) -> Rows:
        """Open every piece: copied into memory when all of it is small, mapped otherwise."""
        pieces = [read_piece(folder, file) for file in self.files]
        if self.bytes <= RESIDENT_BYTES:
            joined = {part.name: np.concatenate([piece[part.name] for piece in pieces]) for part in self.layout.parts}
            return Resident(joined)
        return Mapped(pieces, window=self.window)

    @property
    def window(self) -> int:
        """Rows of a shuffling window: all of them where they are held in memory; a function of the data alone."""
        if self.bytes <= RESIDENT_BYTES:
            return self.count
        return max(1, WINDOW_BYTES * self.count // self.bytes)


class Resident:
    """Rows in this process's own memory."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        own = [np.require(arrays[name], requirements=["C", "W"]) for name in ("input", "target")]
        self._input, self._target = map(torch.from_numpy, own)
        self.count = self.window = len(self._target)

    def gather(self, indices: Indices) -> tuple[Tensor, Tensor]:
        picked = torch.from_numpy(indices)
        return self._input.index_select(0, picked), self._target.index_select(0, picked)


class Mapped:
    """Rows in mapped files: the kernel keeps what fits, and nothing counts as this process's own memory."""

    def __init__(self, pieces: Sequence[Mapping[str, Array]], *, window: int) -> None:
        self._pieces = pieces
        self.window = window
        self._ends = np.cumsum([len(piece["target"]) for piece in pieces])
        self.count = int(self._ends[-1])

    def gather(self, indices: Indices) -> tuple[Tensor, Tensor]:
        return self._part("input", indices), self._part("target", indices)

    def _part(self, name: str, indices: Indices) -> Tensor:
        first = self._pieces[0][name]
        found = np.empty((len(indices), *first.shape[1:]), dtype=first.dtype)
        owners = np.searchsorted(self._ends, indices, side="right")
        for owner in np.unique(owners):
            mine = owners == owner
            piece = self._pieces[owner][name]
            found[mine] = piece[indices[mine] - (self._ends[owner] - len(piece))]
        return torch.from_numpy(found)


def existing(folder: Folder, layout: Layout, fingerprint: str) -> Shards:
    """The shards that are in ``folder``; a ValueError if they do not hold the rows with this layout and fingerprint."""
    shards = Shards.from_json(folder.read(INDEX).decode())
    if (shards.layout, shards.fingerprint) != (layout, fingerprint):
        raise ValueError(
            f"{folder.where} holds other data: fingerprint {shards.fingerprint} of columns {list(shards.layout.columns)}; "
            f"given is {fingerprint} of {list(layout.columns)}. Train into another folder, or delete that one"
        )
    return shards


def grouped(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Join batches up to the size of a piece, so that a data set has few files whatever Spark's batch size."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        if batch.num_rows:
            held.append(batch)
        if sum(each.nbytes for each in held) >= PIECE_BYTES:
            yield pa.Table.from_batches(held)
            held = []
    if held:
        yield pa.Table.from_batches(held)


def write_piece(folder: Folder, file: str, arrays: Mapping[str, Array]) -> int:
    """Write one piece as an Arrow file of one record batch; a row of a matrix is one fixed-size list. Returns its bytes."""
    columns = {name: _to_arrow(array) for name, array in arrays.items()}
    batch = pa.record_batch(list(columns.values()), names=list(columns))
    with folder.writer(file) as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return int(batch.nbytes)


def read_piece(folder: Folder, file: str) -> dict[str, Array]:
    """Map one piece: each tensor as a read-only view of the file."""
    batch = pa.ipc.open_file(folder.mapped(file)).get_batch(0)
    return {name: _from_arrow(batch.column(name)) for name in batch.schema.names}


def _to_arrow(array: Array) -> pa.Array:
    flat = pa.array(np.ascontiguousarray(array).reshape(-1))
    return flat if array.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, array.shape[1])


def _from_arrow(column: pa.Array) -> Array:
    if pa.types.is_fixed_size_list(column.type):
        return np.asarray(column.flatten().to_numpy()).reshape(len(column), column.type.list_size)
    return np.asarray(column.to_numpy())
