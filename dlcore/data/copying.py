"""From Arrow or Parquet files to pieces without Spark: read in batches, so that the data may be larger than memory."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np

from dlcore.data.cells import Cells
from dlcore.data.layout import Layout, refuse_unusable
from dlcore.data.pieces import INDEX, Piece, Pieces, existing, grouped, settled, write_piece
from dlcore.storage.folder import Folder

if TYPE_CHECKING:
    import pyarrow.dataset as ds


def copy_pieces(data: "ds.Dataset", folder: Folder, layout: Layout) -> Pieces:
    """Write the rows of ``data``, in its order, below ``folder``; pieces that are there already are used if they hold the same."""
    if folder.exists(INDEX):
        return existing(folder, layout, fingerprint(data, layout))
    name, written, attempt = Fingerprint(layout), list[Future[Piece]](), uuid4().hex[:8]
    unusable: Counter[str] = Counter()
    with ThreadPoolExecutor(1, thread_name_prefix="dlcore-writer") as writer:
        for number, table in enumerate(grouped(data.to_batches(columns=list(layout.columns)))):
            cells = layout.usable_cells(table)
            if cells is None:
                unusable.update(layout.unusable(table))
            elif not unusable:
                if written:
                    written[-1].result()  # one is named and written while the next is read, and no more are held
                written.append(writer.submit(_written, name, folder, f"part-{number:05d}-{attempt}.arrow", cells))
    refuse_unusable(unusable)
    return settled(folder, Pieces.of(layout, [piece.result() for piece in written], str(name)))


def _written(name: "Fingerprint", folder: Folder, file: str, cells: Mapping[str, Cells]) -> Piece:
    name.update(cells)
    return write_piece(folder, file, cells)


def fingerprint(data: "ds.Dataset", layout: Layout) -> str:
    """The name of rows that are read for it alone, under the rules that hold for training."""
    name = Fingerprint(layout)
    for batch in data.to_batches(columns=list(layout.columns)):
        name.update(layout.checked_cells(batch))
    return str(name)


class Fingerprint:
    """A name of rows in their order, whatever batches they come in."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._digests = {part.name: hashlib.sha256() for part in layout.parts}

    def update(self, cells: Mapping[str, Cells]) -> None:
        for name, each in cells.items():
            if isinstance(each, np.ndarray):
                self._digests[name].update(np.ascontiguousarray(each).reshape(-1).view(np.uint8).data)
                continue
            for content in each.to_pylist():
                self._digests[name].update(len(content).to_bytes(8, "little") + content)

    def __str__(self) -> str:
        found = " ".join(digest.hexdigest() for digest in self._digests.values())
        return hashlib.sha256(f"{self._layout} {found}".encode()).hexdigest()[:16]
