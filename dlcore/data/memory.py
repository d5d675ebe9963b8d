"""Rows in this process's memory, of a table or of files that are small enough, under the rules that hold for pieces."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from dlcore.data.copying import Fingerprint
from dlcore.data.layout import Layout, refuse_unusable
from dlcore.data.rows import Resident

if TYPE_CHECKING:
    import pyarrow.dataset as ds


def held(table: pa.Table, layout: Layout) -> tuple[Resident, str]:
    """The rows of a table and a name of them in their order."""
    if not table.num_rows:
        raise ValueError("the data to train on has no rows")
    refuse_unusable(layout.unusable(table))
    cells, name = layout.cells(table), Fingerprint(layout)
    name.update(cells)
    return Resident(layout, cells), str(name)


def held_files(data: "ds.Dataset", layout: Layout, *, most_bytes: int) -> tuple[Resident, str] | None:
    """The rows of files and their name; none where they are more than ``most_bytes``, as read or as tensors."""
    table = _small(data, layout.columns, most_bytes)
    if table is None:
        return None
    rows, name = held(table, layout)
    return (rows, name) if rows.bytes <= most_bytes else None


def _small(data: "ds.Dataset", columns: Sequence[str], most_bytes: int) -> pa.Table | None:
    kept, size = list[pa.RecordBatch](), 0
    for batch in data.to_batches(columns=list(columns)):
        kept.append(batch)
        size += batch.nbytes
        if size > most_bytes:
            return None
    return pa.Table.from_batches(kept, data.schema if not kept else kept[0].schema)
