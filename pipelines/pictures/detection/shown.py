"""Pictures for the report with what was found in them: right, false, and missed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dlcore.zoo.mean_precision import marked
from features.pictures.decoding import decode
from features.pictures.preparing import unpack
from features.pictures.rendering import Pixels
from pipelines.pictures.catalogue import EDGES
from pipelines.pictures.detection.detector import truths
from pipelines.pictures.detection.judged import Predict, detections
from pipelines.pictures.drawing import address, colour, drawn, jpeg
from pipelines.section import Tile

FALSE, RIGHT, MISSED = 0, 1, 3
LEGEND = {"found": colour(RIGHT), "false alarm": colour(FALSE), "missed": colour(MISSED)}


def tiles(rows: DataFrame, predict: Predict, thresholds: Sequence[float], shown: int) -> tuple[Tile, ...]:
    """Some of the pictures, chosen by their keys' hashes, with detections of at least their classes' ``thresholds``."""
    some = predict(rows.orderBy(F.xxhash64("key")).limit(shown)).collect()
    return tuple(_tile(row.asDict(recursive=True), thresholds) for row in some)


def _tile(row: Mapping[str, Any], thresholds: Sequence[float]) -> Tile:
    found = [one for one in row["found"] or [] if one["score"] >= thresholds[one["label"] - 1]]
    one, real = detections(found), truths(unpack(row["targets"]), row["width"], row["height"])
    marks = marked(one, real["boxes"], real["labels"], real["difficult"])
    missed = (real["labels"] > 0) & (real["difficult"] == 0) & ~marks.found
    boxes = np.concatenate([one.boxes.numpy()[marks.order], real["boxes"][missed]])
    kinds = [*(RIGHT if right else FALSE for right in marks.right), *[MISSED] * int(missed.sum())]
    right = int(marks.right.sum())
    return Tile(
        picture=picture(decode(row["pixels"]), boxes, kinds),
        caption=row["name"],
        note=f"{right} found, {len(marks.right) - right} false, {int(missed.sum())} missed",
    )


def picture(pixels: Pixels, boxes: np.ndarray, kinds: list[int]) -> str:
    """The picture as an address that holds it, with boxes that are relative to it."""
    height, width = pixels.shape[:2]
    return address(jpeg(drawn(pixels, boxes.astype(np.float64) * [width, height, width, height], kinds)))


def some_found(rows: DataFrame, classes: Sequence[str], shown: int) -> tuple[Tile, ...]:
    """Pictures (pixels, name, found: label, score and edges relative to the picture), boxes in the colours of their classes."""
    found = [row.asDict(recursive=True) for row in rows.orderBy(F.xxhash64("key")).limit(shown).collect()]
    return tuple(_seen(row, classes) for row in found)


def _seen(row: Mapping[str, Any], classes: Sequence[str]) -> Tile:
    found = row["found"] or []
    boxes = np.array([[one[edge] for edge in EDGES] for one in found], np.float64).reshape(-1, 4)
    numbers = [one["label"] - 1 for one in found]
    counts = [f"{numbers.count(at)} {name}" for at, name in enumerate(classes) if at in numbers]
    return Tile(
        picture=picture(decode(row["pixels"]), boxes, numbers),
        caption=row["name"],
        note=", ".join(counts) or "nothing found",
    )
