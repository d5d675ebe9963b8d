"""The rows of a table or of files for this process alone: in its memory, or as pieces where files are larger, under the same rules."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from dlcore.data.copying import Fingerprint, copy_pieces
from dlcore.data.layout import Layout
from dlcore.data.pieces import RESIDENT_BYTES
from dlcore.data.rows import Resident, Rows
from dlcore.storage.folder import Folder

if TYPE_CHECKING:
    import pyarrow.dataset as ds


def held(table: pa.Table, layout: Layout) -> tuple[Resident, str]:
    """The rows of a table and a name of them in their order."""
    if not table.num_rows:
        raise ValueError("the data to train on has no rows")
    cells, name = layout.checked_cells(table), Fingerprint(layout)
    name.update(cells)
    return Resident(layout, cells), str(name)


def opened(data: "ds.Dataset", folder: Folder, layout: Layout, *, resident_bytes: int) -> tuple[Rows, str]:
    """The rows of files and their name: held where they are few enough, and one window of the order, else written as pieces."""
    most_bytes = min(resident_bytes, RESIDENT_BYTES)
    if (table := _small(data, layout.columns, most_bytes)) is not None:
        rows, name = held(table, layout)
        if rows.bytes <= most_bytes:
            return rows, name
    pieces = copy_pieces(data, folder, layout)
    return pieces.open(folder, resident_bytes=resident_bytes), pieces.fingerprint


def _small(data: "ds.Dataset", columns: Sequence[str], most_bytes: int) -> pa.Table | None:
    """The columns as they are read; none where they are more than that."""
    kept, size = list[pa.RecordBatch](), 0
    for batch in data.to_batches(columns=list(columns)):
        kept.append(batch)
        size += batch.nbytes
        if size > most_bytes:
            return None
    return pa.Table.from_batches(kept, data.schema if not kept else kept[0].schema)
