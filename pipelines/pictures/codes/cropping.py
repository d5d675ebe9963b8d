"""Pictures with boxes to the crops of what these frame, as they are or turned, as bytes that a model takes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import BinaryType, IntegerType, StringType, StructField, StructType

from features.pictures.boxes import Boxes
from features.pictures.decoding import decode
from features.pictures.preparing import turned_crops, unpack
from pipelines.pictures.catalogue import EDGES
from pipelines.pictures.drawing import jpeg

SIDE = 96
MARGIN = 0.1
TURNS = (-10.0, -5.0, 0.0, 5.0, 10.0)
UPRIGHT = (0.0,)
THUMBNAIL = 64

CROPS = StructType(
    [
        StructField("key", StringType()),
        StructField("place", IntegerType()),
        StructField("label", StringType()),
        StructField("crop", BinaryType()),
        StructField("thumbnail", BinaryType()),
    ]
)
"""``crop`` has the bytes [turns, SIDE, SIDE, 3] in RGB of the object at a ``place`` among its picture's, ``thumbnail`` a small JPEG."""

Row = Mapping[str, Any]
Framed = Callable[[Row, Sequence[str]], tuple[Boxes, list[str]]]
"""The boxes of a row in dots of its prepared picture, and their labels."""


def annotated(row: Row, classes: Sequence[str]) -> tuple[Boxes, list[str]]:
    """The objects that people drew, from ``targets``."""
    targets = unpack(row["targets"])
    return targets[:, :4].astype(np.float64), [classes[int(number)] for number in targets[:, 4]]


def detected(row: Row, classes: Sequence[str]) -> tuple[Boxes, list[str]]:
    """The objects that a detector found, from ``objects``, whose edges are relative to the picture."""
    found = row["objects"]
    edges = np.array([[one[edge] for edge in EDGES] for one in found], np.float64).reshape(-1, 4)
    return edges * np.array([row["width"], row["height"]] * 2), [one["label"] for one in found]


@dataclass(frozen=True, kw_only=True)
class Cropping:
    """DataFrame of pictures (key, pixels, and what ``framed`` reads) to DataFrame of ``CROPS``; a box without area has none."""

    framed: Framed
    classes: tuple[str, ...]
    turns: tuple[float, ...] = UPRIGHT

    def __call__(self, rows: DataFrame) -> DataFrame:
        return rows.mapInArrow(self.batches, CROPS)

    def batches(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The crops of a picture at a time, so that memory is bounded by one picture's."""
        for batch in batches:
            for row in batch.to_pylist():
                yield pa.RecordBatch.from_pylist(list(self.crops(row)), to_arrow_schema(CROPS))

    def crops(self, row: Row) -> Iterator[dict[str, Any]]:
        pixels = decode(row["pixels"])
        boxes, labels = self.framed(row, self.classes)
        height, width = pixels.shape[:2]
        inside = boxes.clip(0, [width, height, width, height])
        wide = (inside[:, 2] > inside[:, 0]) & (inside[:, 3] > inside[:, 1])
        seen = turned_crops(pixels, inside[wide], width=SIDE, height=SIDE, margin=MARGIN, degrees=self.turns)
        for place, crop in zip(np.flatnonzero(wide).tolist(), seen, strict=True):
            yield {
                "key": row["key"],
                "place": place + 1,
                "label": labels[place],
                "crop": rgb(crop).tobytes(),
                "thumbnail": thumbnail(crop[len(crop) // 2]),
            }


def rgb(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """OpenCV's blue first to red first."""
    return np.ascontiguousarray(pixels[..., ::-1])


def thumbnail(crop: NDArray[np.uint8]) -> bytes:
    return jpeg(cv2.resize(crop, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA))
