"""What a task does with pictures of HBase: each is prepared with its boxes, and those that are ready go to a Parquet file of its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import cv2
import pyarrow as pa
import pyarrow.parquet as pq

from features.pictures import voc
from features.pictures.dataframe import Prepare
from features.pictures.preparing import BOX_BYTES, pack

TOLD = pa.schema(
    [
        ("key", pa.string()),
        ("piece", pa.string()),
        ("objects", pa.int32()),
        ("bytes", pa.int64()),
        ("error", pa.string()),
    ]
)
TOLD_IN_SPARK = "key string, piece string, objects int, bytes bigint, error string"
"""What goes back of each picture: the file that has it, how many boxes are in it, its bytes there; or its error."""

KEPT = ["key", "pixels", "width", "height", "targets"]
"""The columns of a piece: the picture as it was encoded, its size, and its boxes as ``features.pictures.preparing.unpack`` reads them."""


@dataclass(frozen=True, kw_only=True)
class Preparing:
    """Maps batches of key, picture and annotation to batches of ``TOLD``; what is ready goes to a new file in ``into``."""

    prepare: Prepare
    classes: tuple[str, ...]
    into: Path

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        cv2.setNumThreads(1)  # the task's other cores have tasks of their own
        with piece(self.into) as (name, write):
            for batch in batches:
                usable, errors = self.packed(batch)
                yield _errors(errors)
                for ready in self.prepare.batches(usable):
                    good = ready.filter(ready["error"].is_null())
                    write(good.select(KEPT))
                    yield _told(name, ready)

    def packed(self, batch: pa.RecordBatch) -> tuple[pa.RecordBatch, dict[str, str]]:
        """Key, picture and targets, but for the pictures whose annotation cannot be used: their keys, and why."""
        targets: dict[str, bytes | None] = {}
        errors: dict[str, str] = {}
        for key, xml in zip(batch["key"].to_pylist(), batch["annotation"].to_pylist(), strict=True):
            try:
                targets[key] = self.targets(xml)
            except ValueError as wrong:
                errors[key] = str(wrong)
        usable = batch.filter(pa.array([key in targets for key in batch["key"].to_pylist()], pa.bool_()))
        columns = [usable["key"], usable["picture"], pa.array(targets.values(), pa.binary())]
        return pa.RecordBatch.from_arrays(columns, names=["key", "picture", "targets"]), errors

    def targets(self, xml: bytes | None) -> bytes | None:
        """An annotation's boxes packed; without one there are none."""
        if xml is None:
            return None
        found = voc.annotation(xml)
        if unknown := sorted({*found.labels} - {*self.classes}):
            raise ValueError(f"class: objects must be of {', '.join(self.classes)}, got {', '.join(unknown)}")
        return pack(found.boxes, [self.classes.index(label) for label in found.labels], found.difficult)


@contextmanager
def piece(folder: Path) -> Iterator[tuple[str, Callable[[pa.RecordBatch], None]]]:
    """A new file in a folder and how to write to it; where the task fails nothing of it is left, and without rows there is none."""
    name = f"{uuid4().hex}.parquet"
    writers: list[pq.ParquetWriter] = []

    def write(rows: pa.RecordBatch) -> None:
        if rows.num_rows:
            if not writers:
                writers.append(pq.ParquetWriter(folder / name, rows.schema, compression="none"))  # pictures are already
            writers[0].write_batch(rows)

    try:
        yield name, write
    except BaseException:
        (folder / name).unlink(missing_ok=True)
        raise
    finally:
        for writer in writers:
            writer.close()


def _errors(found: dict[str, str]) -> pa.RecordBatch:
    rows = [{"key": key, "error": error} for key, error in found.items()]
    return pa.RecordBatch.from_pylist(rows, TOLD)


def _told(name: str, ready: pa.RecordBatch) -> pa.RecordBatch:
    rows = [
        {
            "key": key,
            "piece": name if error is None else None,
            "objects": len(targets or b"") // BOX_BYTES,
            "bytes": len(pixels or b""),
            "error": error,
        }
        for key, pixels, targets, error in zip(
            *(ready[column].to_pylist() for column in ("key", "pixels", "targets", "error")), strict=True
        )
    ]
    return pa.RecordBatch.from_pylist(rows, TOLD)
