"""Pictures of a DataFrame made ready: a row that has no picture gets its reason, and the job goes on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import pyarrow as pa
from numpy.random import Generator
from pyspark.sql import DataFrame
from pyspark.sql.types import BinaryType, IntegerType, StringType, StructField, StructType

from features.pictures.chains import chances
from features.pictures.headers import BadPicture
from features.pictures.preparing import Preparation, Targets
from features.pictures.rendering import Pixels

Encoding = Callable[[Pixels], bytes]
ADDED = (("pixels", BinaryType()), ("width", IntegerType()), ("height", IntegerType()))


def raw(pixels: Pixels) -> bytes:
    """The elements themselves, rows first, channels last."""
    return pixels.tobytes()


def png(pixels: Pixels) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


@dataclass(frozen=True)
class Jpeg:
    quality: int = 95

    def __call__(self, pixels: Pixels) -> bytes:
        return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, self.quality])[1].tobytes()


@dataclass(frozen=True, kw_only=True)
class Augmented:
    """The chances of a row: of ``seed``, ``epoch``, and the whole number in its column ``row``."""

    seed: int
    epoch: int
    row: str


@dataclass(frozen=True, kw_only=True)
class Prepare:
    """DataFrame to DataFrame: columns ``pixels``, ``width``, ``height``, with ``targets`` those of the result, and ``error``.

    ``picture`` and ``targets`` name the columns of bytes that are read; neither is kept as it was, all others are. ``error`` is null for
    a row that is a picture; else it begins with the rule that the row breaks (``preparation`` where the picture is good and its targets or
    the chain's steps are not) and the new columns are null. Nothing is left to chance without ``augmented``. A batch that goes back to
    Spark ends with the row that takes its pictures over ``batch_bytes``.
    """

    preparation: Preparation
    picture: str = "picture"
    targets: str | None = None
    encoding: Encoding = raw
    augmented: Augmented | None = None
    error: str = "error"
    batch_bytes: int = 32 * 2**20

    def __call__(self, df: DataFrame) -> DataFrame:
        kept = [field for field in df.schema.fields if field.name not in self._replaced]
        names = [name for name, _ in ADDED] + [self.error]
        if clash := sorted({*names} & {field.name for field in kept}):
            raise ValueError(f"columns {names} must be new ones, got {clash} in the data already")
        read = [
            self.picture,
            *([self.targets] if self.targets else []),
            *([self.augmented.row] if self.augmented else []),
        ]
        if missing := sorted({*read} - {*df.columns}):
            raise ValueError(f"columns that are read must be there, got none of the name {', '.join(missing)}")
        packed = [StructField(self.targets, BinaryType())] if self.targets else []
        added = [StructField(name, kind) for name, kind in ADDED] + packed + [StructField(self.error, StringType())]

        def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            cv2.setNumThreads(1)  # the task's other cores have tasks of their own
            for batch in batches:
                yield from self.batches(batch)

        return df.mapInArrow(run, StructType([*kept, *added]))

    @property
    def _replaced(self) -> tuple[str | None, ...]:
        return self.picture, self.targets

    def batches(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """The batch in pieces that are bounded by the bytes of their pictures, which have nothing to do with those that came."""
        kept = [name for name in batch.schema.names if name not in self._replaced]
        rows: list[tuple[Any, ...]] = []
        begin, size = 0, 0
        for number in range(batch.num_rows):
            rows.append(self._row(batch, number))
            size += len(rows[-1][0] or b"")
            if size > self.batch_bytes or number + 1 == batch.num_rows:
                yield self._piece(batch.select(kept).slice(begin, len(rows)), rows)
                rows, begin, size = [], number + 1, 0

    def _row(self, batch: pa.RecordBatch, number: int) -> tuple[Any, ...]:
        """Pixels, width, height, targets, error."""
        data = batch.column(self.picture)[number].as_py()
        packed = batch.column(self.targets)[number].as_py() if self.targets else None
        try:
            pixels, found = self.preparation.with_targets(data, packed, self._generator(batch, number))
            return self.encoding(pixels), pixels.shape[1], pixels.shape[0], _bytes(found), None
        except BadPicture as wrong:
            return None, None, None, None, str(wrong)
        except (ValueError, cv2.error) as wrong:
            return None, None, None, None, f"preparation: {wrong}"

    def _generator(self, batch: pa.RecordBatch, number: int) -> Generator | None:
        if self.augmented is None:
            return None
        row = batch.column(self.augmented.row)[number].as_py()
        if row is None or row < 0:
            raise ValueError(f"{self.augmented.row} must be a whole number of at least 0, got {row}")
        return chances(self.augmented.seed, self.augmented.epoch, row)

    def _piece(self, kept: pa.RecordBatch, rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
        pixels, width, height, targets, error = zip(*rows, strict=True)
        added = [pa.array(pixels, pa.binary()), pa.array(width, pa.int32()), pa.array(height, pa.int32())]
        names = [name for name, _ in ADDED]
        if self.targets:
            added, names = [*added, pa.array(targets, pa.binary())], [*names, self.targets]
        return pa.RecordBatch.from_arrays(
            [*kept.columns, *added, pa.array(error, pa.string())], names=[*kept.schema.names, *names, self.error]
        )


def _bytes(found: Targets) -> bytes:
    return found.astype("<f4").tobytes()
