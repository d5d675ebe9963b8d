"""Pictures for the report: small, with boxes drawn in the colours of their classes, as text that a page can hold."""

import base64
import re
from collections.abc import Sequence

import cv2
import numpy as np

from features.pictures.boxes import Boxes
from features.pictures.rendering import Pixels

SIDE = 300
COLOURS = ("#e4572e", "#17a398", "#7b2cbf", "#f2b134", "#2e86ab", "#d81159", "#5f8f1f", "#8d6346")
"""Of classes by their numbers, round and round."""

MOST_DOTS = 16_000_000
END = b"\xff\xd9"  # behind a picture that was cut off, so that what is there is shown
FRAME = re.compile(rb"\xff[\xc0-\xc2]..\x08(..)(..)", re.DOTALL)


def colour(number: int) -> str:
    """The colour of a class."""
    return COLOURS[number % len(COLOURS)]


def drawn(pixels: Pixels, boxes: Boxes, classes: Sequence[int]) -> Pixels:
    """The picture as large as the page shows it, with each box in its class's colour."""
    scale = SIDE / max(pixels.shape[:2])
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    small = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    for box, number in zip((boxes * scale).round().astype(int).tolist(), classes, strict=True):
        red, green, blue = (int(colour(number)[at : at + 2], 16) for at in (1, 3, 5))
        cv2.rectangle(small, box[:2], box[2:], (blue, green, red), 2, cv2.LINE_AA)
    return small


def jpeg(pixels: Pixels) -> bytes:
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 82])[1].tobytes()


def address(picture: bytes | None) -> str:
    """A JPEG as an address that holds it; an empty text for none."""
    return f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}" if picture else ""


def glimpse(data: bytes | None) -> bytes | None:
    """What can be seen of a picture that was refused, small; None where that is nothing, or takes too much memory to look at."""
    sizes = [(int.from_bytes(high), int.from_bytes(wide)) for high, wide in FRAME.findall(data or b"")]
    if not sizes or max(high * wide for high, wide in sizes) > MOST_DOTS:
        return None
    try:
        seen = cv2.imdecode(np.frombuffer((data or b"") + END, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    return None if seen is None else jpeg(drawn(seen, np.empty((0, 4)), ()))
