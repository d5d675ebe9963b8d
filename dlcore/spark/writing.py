"""From a Spark DataFrame to pieces: one Spark job writes the rows as Arrow files, and nothing passes through the driver."""

import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

import pyarrow as pa
from pyspark import TaskContext
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, Row
from pyspark.sql.pandas.types import to_arrow_type
from pyspark.sql.types import DataType, DoubleType, StructType

from dlcore.data.cells import Rowed
from dlcore.data.hashing import rows_hash
from dlcore.data.layout import Layout, refuse_unusable
from dlcore.data.packed import Arrays
from dlcore.data.pieces import INDEX, Piece, Pieces, existing, grouped, settled, write_piece
from dlcore.spark.packing import Packing
from dlcore.spark.silence import silence_limited
from dlcore.storage.folder import Folder

_WRITTEN = "file string, rows long, bytes long, shapes string, hash long, column string, unusable long, problem string"


def schema_of(frame: DataFrame) -> pa.Schema:
    """The Arrow types of the columns."""
    return arrow_schema(frame.schema)


def arrow_schema(schema: StructType) -> pa.Schema:
    """The Arrow types of a schema; a type that Arrow does not carry stands as a struct that tells its name."""
    return pa.schema({field.name: _kind(field.dataType) for field in schema.fields})


def _kind(kind: DataType) -> pa.DataType:
    try:
        return to_arrow_type(kind)
    except PySparkException:  # no harm where the column is not asked for; Layout refuses the struct where it is
        return pa.struct({kind.simpleString(): pa.null()})


def write_pieces(frame: DataFrame, folder: Folder, layout: Layout, *, silence_s: float) -> Pieces:
    """Write ``frame`` below ``folder`` and return its index; pieces that are there already are used if they hold the same rows.

    A task whose Python does not run for ``silence_s`` is ended, and Spark's to try again.
    """
    if folder.exists(INDEX):
        return existing(folder, layout, _fingerprint(layout, _reports(frame, None, layout, silence_s)))
    found = sorted(_reports(frame, folder, layout, silence_s), key=lambda row: row.file)
    if not folder.exists(INDEX):  # else another driver has made one, and removed what is not its own
        refuse_missing(folder, [row.file for row in found])
    listed = [Piece(file=row.file, rows=row.rows, bytes=row.bytes, shapes=json.loads(row.shapes)) for row in found]
    return settled(folder, Pieces.of(layout, listed, _fingerprint(layout, found)))


def _reports(frame: DataFrame, folder: Folder | None, layout: Layout, silence_s: float) -> list[Row]:
    """What the tasks tell of the rows that they write, or only look at; a ValueError says what is wrong with them."""
    selected = _selected(frame, layout)
    packing = Packing.of(selected.schema, first=layout.columns)
    writer = _writer(folder, layout, packing.arrays, silence_s)
    told = packing.packed(selected).mapInArrow(writer, _WRITTEN).collect()
    if problems := sorted(row.problem for row in told if row.problem):
        raise ValueError(problems[0])
    refuse_unusable(_unusable(told))
    return told


def refuse_missing(folder: Folder, files: Iterable[str]) -> None:
    """Say so where the executors' disk is not the driver's."""
    if missing := sorted(set(files) - set(folder.names())):
        raise ValueError(
            f"{folder.where} must be one folder for the driver and all workers, but {len(missing)} pieces that workers wrote there are "
            f"not seen from the driver, such as {missing[0]}; give fit a folder= on a disk that they share, or a URI such as hdfs://"
        )


def _selected(frame: DataFrame, layout: Layout) -> DataFrame:
    """The layout's columns, as narrow as the tensors need them."""
    kinds = {field.name: field.dataType for field in frame.schema.fields}
    narrow = {column for part in layout.parts if part.dtype == "float32" for column in part.columns}
    narrow -= {column for part in layout.parts if part.dtype != "float32" for column in part.columns}
    doubles = {name for name in narrow if kinds[name] == DoubleType()}
    quoted = {name: f"`{name}`" for name in layout.columns}  # as texts, since each call to the JVM has its price
    return frame.selectExpr(*(f"float({each}) as {each}" if name in doubles else each for name, each in quoted.items()))


def _fingerprint(layout: Layout, told: Sequence[Row]) -> str:
    """A name of the rows as a set: the sum of their hashes does not depend on how they are partitioned."""
    rows, hashes = sum(row.rows for row in told), sum(row.hash for row in told)
    return hashlib.sha256(f"{layout} {rows} {hashes % 2**64}".encode()).hexdigest()[:16]


def _unusable(written: Iterable[Row]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for row in written:
        if row.column:
            counts[row.column] += row.unusable
    return counts


def _writer(
    folder: Folder | None, layout: Layout, arrays: Arrays, silence_s: float
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        context = TaskContext.get()
        partition = context.partitionId() if context else 0
        attempt = uuid.uuid4().hex[
            :8
        ]  # a repeated task writes other files; the index names those of the one that ended
        with silence_limited(silence_s):
            for number, table in enumerate(grouped(batches)):
                file = f"part-{partition:05d}-{number:05d}-{attempt}.arrow"
                yield from _written(folder, layout, arrays.opened(table), file)

    return write


def _written(folder: Folder | None, layout: Layout, rows: Rowed, file: str) -> Iterator[pa.RecordBatch]:
    try:
        cells = layout.usable_cells(rows)
    except ValueError as error:  # of the data, not of this task: the driver raises it as it is
        yield _report(problem=str(error))
        return
    if cells is None:
        for column, count in layout.unusable(rows).items():
            yield _report(column=column, unusable=count)
        return
    hashes = rows_hash(cells)
    if folder is None:
        yield _report(rows=rows.num_rows, hash=hashes)
        return
    piece = write_piece(folder, file, cells)
    yield _report(file=file, rows=piece.rows, bytes=piece.bytes, shapes=json.dumps(piece.shapes), hash=hashes)


def _report(**given: str | int) -> pa.RecordBatch:
    """What a task tells the driver of a piece, or of what is wrong with its rows."""
    nothing = {"file": "", "rows": 0, "bytes": 0, "shapes": "", "hash": 0, "column": "", "unusable": 0, "problem": ""}
    return pa.RecordBatch.from_pylist([nothing | given])
