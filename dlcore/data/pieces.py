"""Training data as files: Arrow pieces written once, mapped into memory by the workers, described by one JSON index."""

import hashlib
import json
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dlcore.data.cells import Cells, ragged, shaped
from dlcore.data.layout import Layout, Part
from dlcore.data.rows import Mapped, Resident, Rows
from dlcore.storage.folder import Folder, Sign
from dlcore.storage.patience import patient
from dlcore.storage.scratch import Shared

FORMAT = 3
INDEX = "index.json"
PIECE = re.compile(r"part-[0-9a-f-]+\.arrow")
PIECE_BYTES = 32 * 2**20
RESIDENT_BYTES = 256 * 2**20
"""Up to this size a worker holds its own copy of the data: one gather instead of one a piece."""
WINDOW_BYTES = 128 * 2**20
"""Of larger data, rows within this much are shuffled among each other."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One file of a data set: its rows, its bytes, and the shape of a row of each tensor."""

    file: str
    rows: int
    bytes: int
    shapes: Mapping[str, Sequence[int]]


@dataclass(frozen=True, kw_only=True)
class Pieces:
    """The index of a data set: its layout, its pieces in order, and the fingerprint of what is in them."""

    layout: Layout
    files: tuple[str, ...]
    rows: tuple[int, ...]
    bytes: int
    fingerprint: str

    @classmethod
    def of(cls, layout: Layout, pieces: Sequence[Piece], fingerprint: str) -> "Pieces":
        """The index of ``pieces``, at least one, whose rows all have the same shapes."""
        if not pieces:
            raise ValueError("the data to train on has no rows")
        for part in layout.parts:
            lengths = sorted({piece.shapes[part.name][-1] for piece in pieces if piece.shapes.get(part.name)})
            if len(lengths) > 1:
                raise ragged(part.columns[0], lengths)
        return cls(
            layout=layout,
            files=tuple(piece.file for piece in pieces),
            rows=tuple(piece.rows for piece in pieces),
            bytes=sum(piece.bytes for piece in pieces),
            fingerprint=fingerprint,
        )

    @property
    def count(self) -> int:
        return sum(self.rows)

    def to_json(self) -> str:
        return json.dumps({"format": FORMAT} | asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Pieces":
        content = json.loads(text)
        if (found := content.pop("format", 1)) != FORMAT:
            raise ValueError(
                f"pieces have format {found}, this version reads {FORMAT}; delete their folder to write them anew"
            )
        sides = content.pop("layout")
        layout = Layout(**{side: tuple(_part(part) for part in parts) for side, parts in sides.items()})
        content |= {"files": tuple(content["files"]), "rows": tuple(content["rows"])}
        return cls(layout=layout, **content)

    def open(self, folder: Folder, *, resident_bytes: int = RESIDENT_BYTES, sign: Sign = lambda: None) -> Rows:
        """Open every piece: copied into memory when all of it is ``resident_bytes`` or less, mapped otherwise.

        What is on another file system is mapped from a copy on this machine's disk, which its processes share; whole pieces that
        one has copied that was killed, the next need not. ``sign`` is called as copying comes on.
        """
        if self.bytes <= resident_bytes:
            pieces = self._read(folder, sign)
            joined = {part.name: _joined([piece[part.name] for piece in pieces]) for part in self.layout.parts}
            return Resident(self.layout, joined, window=self.window)
        if folder.local:
            return Mapped(self.layout, self._read(folder, sign), window=self.window)
        copy = Shared(self._name(folder), lambda place: self._copy(folder, place, sign))
        return Mapped(self.layout, self._read(Folder(str(copy.place)), sign), window=self.window, copy=copy)

    def _read(self, folder: Folder, sign: Sign) -> list[dict[str, Cells]]:
        pieces = []
        for file in self.files:
            pieces.append(read_piece(folder, file, self.layout))
            sign()
        return pieces

    def _copy(self, folder: Folder, place: Path, sign: Sign) -> None:
        for file in self.files:
            if not (place / file).exists():
                folder.copy(file, place / file, sign)

    def _name(self, folder: Folder) -> str:
        return hashlib.sha256(f"{folder.where} {self.files} {self.fingerprint}".encode()).hexdigest()[:16]

    @property
    def window(self) -> int:
        """Rows of a shuffling window, a function of the data alone: all of them where ``RESIDENT_BYTES`` hold them."""
        if self.bytes <= RESIDENT_BYTES:
            return self.count
        return max(1, WINDOW_BYTES * self.count // self.bytes)


def _joined(cells: Sequence[Cells]) -> Cells:
    return np.concatenate(cells) if isinstance(cells[0], np.ndarray) else pa.concat_arrays(cells)


def _part(content: Mapping[str, Any]) -> Part:
    fields: dict[str, Any] = {n: tuple(value) if isinstance(value, list) else value for n, value in content.items()}
    return Part(**fields)


def existing(folder: Folder, layout: Layout, fingerprint: str) -> Pieces:
    """The pieces that are in ``folder``; a ValueError if they do not hold the rows with this layout and fingerprint."""
    pieces = Pieces.from_json(folder.read(INDEX).decode())
    if (pieces.layout, pieces.fingerprint) != (layout, fingerprint):
        raise ValueError(
            f"{folder.where} holds other data: fingerprint {pieces.fingerprint} of columns {list(pieces.layout.columns)}; "
            f"given is {fingerprint} of {list(layout.columns)}. Train into another folder, or delete that one"
        )
    return pieces


def clear(folder: Folder, *, keep: Collection[str]) -> None:
    """Delete the pieces of those who did not come to an index; other files in the folder are not ours."""
    for name in sorted({*filter(PIECE.fullmatch, folder.names())} - {*keep}):
        folder.delete(name)


def settled(folder: Folder, pieces: Pieces) -> Pieces:
    """The index of ``folder``, which one driver alone can make: ``pieces``, or those of another if they hold the same rows."""
    if folder.create(INDEX, pieces.to_json().encode()):
        clear(folder, keep=pieces.files)
        return pieces
    for file in pieces.files:
        folder.delete(file)
    return existing(folder, pieces.layout, pieces.fingerprint)


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


def write_piece(folder: Folder, file: str, cells: Mapping[str, Cells]) -> Piece:
    """Write one piece as an Arrow file of one record batch; a row of a tensor is one fixed-size list, bytes are as they are."""
    columns = {name: _to_arrow(each) for name, each in cells.items()}
    batch = pa.record_batch(list(columns.values()), names=list(columns))

    def write(sink: pa.NativeFile) -> None:
        with pa.ipc.new_file(sink, batch.schema) as writer:
            writer.write_batch(batch)

    folder.fill(file, write)
    shapes = {name: each.shape[1:] for name, each in cells.items() if isinstance(each, np.ndarray)}
    return Piece(file=file, rows=batch.num_rows, bytes=int(batch.nbytes), shapes=shapes)


@patient
def read_piece(folder: Folder, file: str, layout: Layout) -> dict[str, Cells]:
    """Map one piece: each tensor as a read-only view of the file."""
    batch = pa.ipc.open_file(folder.mapped(file)).get_batch(0)
    return {part.name: _from_arrow(batch.column(part.name), part) for part in layout.parts}


def _to_arrow(cells: Cells) -> pa.Array:
    if not isinstance(cells, np.ndarray):
        return cells
    flat = pa.array(np.ascontiguousarray(cells).reshape(-1))
    return flat if cells.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, math.prod(cells.shape[1:]))


def _from_arrow(column: pa.Array, part: Part) -> Cells:
    if pa.types.is_fixed_size_list(column.type):
        flat = np.asarray(column.flatten().to_numpy()).reshape(len(column), column.type.list_size)
        return shaped(flat, part.shape, part.name)
    return column if pa.types.is_large_binary(column.type) else np.asarray(column.to_numpy())
