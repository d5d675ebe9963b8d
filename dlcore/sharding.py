"""From a Spark DataFrame to shards: one Spark job writes the rows as Arrow pieces, and nothing passes through the driver."""

import hashlib
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

import pyarrow as pa
from pyspark import TaskContext
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import ArrayType

from dlcore.files import Folder
from dlcore.layout import Layout, refuse_unusable
from dlcore.shards import INDEX, Shards, existing, grouped, write_piece

_WRITTEN = "file string, rows long, bytes long, hash long, column string, unusable long"
_HASH = "__row_hash"


def write_shards(frame: DataFrame, folder: Folder, *, features: Sequence[str], label: str) -> Shards:
    """Write ``frame`` below ``folder`` and return its index; shards that are there already are used if they hold the same rows."""
    layout = Layout.of(to_arrow_schema(frame.schema), features=features, label=label)
    selected = _selected(frame, layout)
    if folder.exists(INDEX):
        return _reuse(selected, folder, layout)
    written = selected.mapInArrow(_writer(folder, layout), _WRITTEN).collect()
    refuse_unusable(_unusable(written))
    pieces = sorted((row for row in written if row.file), key=lambda row: row.file)
    if not pieces:
        raise ValueError("the data to train on has no rows")
    shards = Shards(
        layout=layout,
        files=tuple(row.file for row in pieces),
        rows=tuple(row.rows for row in pieces),
        bytes=sum(row.bytes for row in pieces),
        fingerprint=_fingerprint(layout, sum(row.rows for row in pieces), sum(row.hash for row in pieces)),
    )
    folder.write(INDEX, shards.to_json().encode())
    return shards


def _selected(frame: DataFrame, layout: Layout) -> DataFrame:
    kinds = {field.name: field.dataType for field in frame.schema.fields}
    names = [name for name in layout.columns if not isinstance(kinds[name], ArrayType)]
    narrow = [
        F.col(f"`{name}`").cast("float" if name in layout.input.columns else kinds[name]).alias(name)
        if name in names
        else F.col(f"`{name}`")
        for name in layout.columns
    ]
    chosen = frame.select(narrow)
    return chosen.withColumn(_HASH, F.xxhash64(*[F.col(f"`{name}`") for name in layout.columns]))


def _reuse(selected: DataFrame, folder: Folder, layout: Layout) -> Shards:
    total = F.sum(F.col(_HASH).cast("decimal(38,0)"))
    rows, hashes = selected.agg(F.count("*"), F.coalesce(total, F.lit(0))).first() or (0, 0)
    return existing(folder, layout, _fingerprint(layout, rows, int(hashes)))


def _fingerprint(layout: Layout, rows: int, hashes: int) -> str:
    """A name of the rows as a set: the sum of their hashes does not depend on how they are partitioned."""
    return hashlib.sha256(f"{layout} {rows} {hashes % 2**64}".encode()).hexdigest()[:16]


def _unusable(written: Iterable[Row]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for row in written:
        if row.column:
            counts[row.column] += row.unusable
    return counts


def _writer(folder: Folder, layout: Layout) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        context = TaskContext.get()
        partition = context.partitionId() if context else 0
        attempt = uuid.uuid4().hex[
            :8
        ]  # a repeated task writes other files; the index names those of the one that ended
        for number, table in enumerate(grouped(batches)):
            file = f"part-{partition:05d}-{number:05d}-{attempt}.arrow"
            yield from _written(folder, layout, file, table)

    return write


def _written(folder: Folder, layout: Layout, file: str, table: pa.Table) -> Iterator[pa.RecordBatch]:
    unusable = layout.unusable(table)
    for column, count in unusable.items():
        yield _report(column=column, unusable=count)
    if not unusable:
        size = write_piece(folder, file, layout.arrays(table))
        hashes = sum(table.column(_HASH).to_pylist())
        yield _report(file=file, rows=table.num_rows, bytes=size, hash=(hashes + 2**63) % 2**64 - 2**63)


def _report(
    *, file: str = "", rows: int = 0, bytes: int = 0, hash: int = 0, column: str = "", unusable: int = 0
) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(
        [{"file": file, "rows": rows, "bytes": bytes, "hash": hash, "column": column, "unusable": unusable}]
    )
