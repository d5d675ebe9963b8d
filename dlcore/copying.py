"""From Arrow or Parquet files to shards without Spark: read in batches, so that the data may be larger than memory."""

import hashlib
from collections import Counter
from collections.abc import Sequence

import pyarrow.dataset as ds

from dlcore.files import Folder
from dlcore.layout import Layout, refuse_unusable
from dlcore.shards import INDEX, Shards, existing, grouped, write_piece


def copy_shards(data: ds.Dataset, folder: Folder, *, features: Sequence[str], label: str) -> Shards:
    """Write the rows of ``data``, in its order, below ``folder``; shards that are there already are used if they hold the same."""
    layout = Layout.of(data.schema, features=features, label=label)
    name = fingerprint(data, layout)
    if folder.exists(INDEX):
        return existing(folder, layout, name)
    files, rows, size = [], [], 0
    unusable: Counter[str] = Counter()
    for number, table in enumerate(grouped(data.to_batches(columns=list(layout.columns)))):
        unusable.update(layout.unusable(table))
        files.append(f"part-{number:05d}.arrow")
        rows.append(table.num_rows)
        size += write_piece(folder, files[-1], layout.arrays(table))
    refuse_unusable(unusable)
    if not files:
        raise ValueError("the data to train on has no rows")
    shards = Shards(layout=layout, files=tuple(files), rows=tuple(rows), bytes=size, fingerprint=name)
    folder.write(INDEX, shards.to_json().encode())
    return shards


def fingerprint(data: ds.Dataset, layout: Layout) -> str:
    """A name of the rows in their order, whatever batches they come in."""
    digests = {part.name: hashlib.blake2b(digest_size=8) for part in layout.parts}
    for batch in data.to_batches(columns=list(layout.columns)):
        for name, array in layout.arrays(batch).items():
            digests[name].update(array.tobytes())
    found = " ".join(digest.hexdigest() for digest in digests.values())
    return hashlib.sha256(f"{layout} {found}".encode()).hexdigest()[:16]
